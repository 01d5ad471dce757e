import { Code } from "@connectrpc/connect";
import type { Response } from "express";
import { handleIfNoneMatch } from "../http/etag.ts";
import { codingFor } from "../http/content-coding.ts";
import type { Handler } from "../contract.ts";
import { HttpError } from "../errors/http-error.ts";
import type { Docs } from "../docs/docs.ts";
import type { StaticFile } from "../docs/static-file.ts";

export function getOpenapiYaml({ yaml }: Docs): Handler<"getOpenapiYaml"> {
  return function getOpenapiYaml(_req, res) {
    return sendFile(res, yaml);
  };
}

export function getOpenapiJson({ json }: Docs): Handler<"getOpenapiJson"> {
  return function getOpenapiJson(_req, res) {
    return sendFile(res, json);
  };
}

/** Lets the page run its own files and call this gateway. No script may turn text into markup. Its icon is a `data:` URL. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

export function getDocs({ page }: Docs): Handler<"getDocs"> {
  return async function getDocs(_req, res) {
    const file = await page();
    res.set({ "Content-Security-Policy": pagePolicy, "Cross-Origin-Opener-Policy": "same-origin" });
    return sendFile(res, file);
  };
}

export function getDocsFile({ pageFile }: Docs): Handler<"getDocsFile"> {
  return function getDocsFile(req, res) {
    const file = pageFile(req.params.file);
    if (file === undefined) throw new HttpError(Code.NotFound, "the page has no such file");
    return sendFile(res, file);
  };
}

async function sendFile(res: Response<never>, file: StaticFile): Promise<void> {
  res.vary("Accept-Encoding");
  if (handleIfNoneMatch(res, [file.etag], "public")) return;
  const coding = codingFor(res.req);
  const bytes = await file.bytes(coding);
  if (coding !== undefined) res.set("Content-Encoding", coding);
  res.set({ "Content-Type": file.type, "Content-Length": String(bytes.length) });
  res.end(bytes);
}
