import { Code } from "@connectrpc/connect";
import type { Response } from "express";
import { answersNotModified } from "../conditional-answer.ts";
import { codingFor } from "../content-coding.ts";
import type { Handler } from "../contract.ts";
import { Refusal } from "../errors/refusal.ts";
import type { Reference } from "../reference/reference.ts";
import type { StaticFile } from "../reference/static-file.ts";

/** Serves `getOpenapiYaml`. */
export function getOpenapiYaml({ yaml }: Reference): Handler<"getOpenapiYaml"> {
  return function getOpenapiYaml(_req, res) {
    return sendFile(res, yaml);
  };
}

/** Serves `getOpenapiJson`. */
export function getOpenapiJson({ json }: Reference): Handler<"getOpenapiJson"> {
  return function getOpenapiJson(_req, res) {
    return sendFile(res, json);
  };
}

/** What the page may do: run its own files, and call this gateway. Swagger UI draws its icons from `data:` URLs. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Serves `getDocs`. */
export function getDocs({ page }: Reference): Handler<"getDocs"> {
  return function getDocs(_req, res) {
    res.set({ "Content-Security-Policy": pagePolicy, "Cross-Origin-Opener-Policy": "same-origin" });
    return sendFile(res, page);
  };
}

/** Serves `getDocsFile`. */
export function getDocsFile({ pageFiles }: Reference): Handler<"getDocsFile"> {
  return function getDocsFile(req, res) {
    const file = pageFiles.get(req.params.file);
    if (file === undefined) throw new Refusal(Code.NotFound, "the page has no such file");
    return sendFile(res, file);
  };
}

async function sendFile(res: Response<never>, file: StaticFile): Promise<void> {
  res.vary("Accept-Encoding");
  if (answersNotModified(res, [file.etag], "public")) return;
  const coding = codingFor(res.req);
  const bytes = await file.bytes(coding);
  if (coding !== undefined) res.set("Content-Encoding", coding);
  res.set({ "Content-Type": file.type, "Content-Length": String(bytes.length) });
  res.end(bytes);
}
