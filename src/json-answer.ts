import type { ServerResponse } from "node:http";
import type { Response } from "express";
import vary from "vary";
import { isNotModified, weakETag } from "./conditional-answer.ts";
import { codingFor, encode } from "./content-coding.ts";
import type { Coding } from "./content-coding.ts";
import type { Locals } from "./locals.ts";

/** Longer JSON is compressed where the client asks for that, in bytes. */
const longestPlain = 1024;

/** Answers with `text`, which is JSON, under the status that is set. */
export function sendJsonText(res: ServerResponse, text: string): void {
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  const length = Buffer.byteLength(text);
  if (length <= longestPlain) return sendPlain(res, text, length);
  vary(res, "Accept-Encoding");
  const coding = codingFor(res.req);
  if (coding === undefined) sendPlain(res, text, length);
  else void sendEncoded(res, text, coding);
}

function sendPlain(res: ServerResponse, text: string, length: number): void {
  res.setHeader("Content-Length", length);
  res.end(text);
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
  const isConditional = this.locals.isConditional === true && this.statusCode === 200;
  if (!isConditional || !isNotModified(this, weakETag(text), "private")) sendJsonText(this, text);
  return this;
}
