import type { ServerResponse } from "node:http";
import type { Response } from "express";
import vary from "vary";
import { answersNotModified, weakETag } from "./conditional-answer.ts";
import { codingFor, encode } from "./content-coding.ts";
import type { Coding } from "./content-coding.ts";
import type { Locals } from "./locals.ts";

/** Longer JSON is compressed where the client asks for that, in bytes. */
const longestPlain = 1024;

/** Answers with `text`, which is JSON, under the status that is set. */
export function sendJsonText(res: Response, text: string): void {
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  const coding = variesByCoding(res, text) ? codingFor(res.req) : undefined;
  if (coding !== undefined) {
    // By now nobody waits for it but the client: what fails goes the way of every error.
    sendEncoded(res, text, coding).catch((error: unknown) => res.req.next?.(error));
    return;
  }
  res.setHeader("Content-Length", Buffer.byteLength(text));
  res.end(text);
}

/** Says that the answer, a 304 too, depends on the client where `text` is long enough to be compressed; tells whether. */
function variesByCoding(res: ServerResponse, text: string): boolean {
  const isLong = Buffer.byteLength(text) > longestPlain;
  if (isLong) vary(res, "Accept-Encoding");
  return isLong;
}

async function sendEncoded(res: ServerResponse, text: string, coding: Coding): Promise<void> {
  const bytes = await encode(Buffer.from(text), coding, "fast");
  res.setHeader("Content-Encoding", coding);
  res.setHeader("Content-Length", bytes.length);
  res.end(bytes);
}

/**
 * Answers with `body` as JSON, or with 304 where the operation is conditional and the client has it; takes the place of
 * Express's `res.json`, which has more settings.
 */
export function sendJson<Res extends Response<unknown, Partial<Locals>>>(this: Res, body: unknown): Res {
  const text = JSON.stringify(body);
  if (this.locals.isConditional === true && this.statusCode === 200) {
    variesByCoding(this, text);
    if (answersNotModified(this, weakETag(text), "private")) return this;
  }
  sendJsonText(this, text);
  return this;
}
