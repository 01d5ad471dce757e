import type { Response } from "express";
import { answersNotModified, weakETag } from "./conditional-answer.ts";
import { codingFor, encode } from "./content-coding.ts";
import type { Coding } from "./content-coding.ts";
import type { Locals } from "./locals.ts";

/** Longer JSON is compressed where the client asks for that, in bytes. */
const longestPlain = 1024;

/**
 * Answers with `text`, which is JSON, under the status that is set; where `isConditional`, with 304 to a client that
 * has it.
 */
export function sendJsonText(res: Response, text: string, isConditional = false): void {
  const length = Buffer.byteLength(text);
  const isLong = length > longestPlain;
  // Before a 304, which says it too (RFC 9110 §15.4.5).
  if (isLong) res.vary("Accept-Encoding");
  if (isConditional && answersNotModified(res, weakETag(text), "private")) return;
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  const coding = isLong ? codingFor(res.req) : undefined;
  if (coding !== undefined) {
    // By now nobody waits for it but the client: what fails goes the way of every error.
    sendEncoded(res, text, coding).catch((error: unknown) => res.req.next?.(error));
    return;
  }
  res.setHeader("Content-Length", length);
  res.end(text);
}

async function sendEncoded(res: Response, text: string, coding: Coding): Promise<void> {
  const bytes = await encode(Buffer.from(text), coding, "fast");
  res.setHeader("Content-Encoding", coding);
  res.setHeader("Content-Length", bytes.length);
  res.end(bytes);
}

/** Answers with `body` as JSON; takes the place of Express's `res.json`, which does so with more settings. */
export function sendJson<Res extends Response<unknown, Partial<Locals>>>(this: Res, body: unknown): Res {
  const isConditional = this.locals.isConditional === true && this.statusCode === 200;
  sendJsonText(this, JSON.stringify(body), isConditional);
  return this;
}
