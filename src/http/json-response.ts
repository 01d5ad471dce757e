import type { Response } from "express";
import { answersNotModified, strongETags } from "./etag.ts";
import { codingFor, encode, lengthOf } from "./content-coding.ts";
import type { Coding } from "./content-coding.ts";
import type { Locals } from "./locals.ts";

/** Longer JSON is compressed where the client asks for that, in bytes. */
const longestPlain = 1024;

/** Up to this size, in bytes, a body is sent in one piece with the headers. */
const onePieceBytes = 16 * 1024;

/** What a body is sent of: JSON in UTF-8, in pieces. */
type JsonBytes = readonly Uint8Array[];

/**
 * Answers with JSON under the status that is set; a GET that the contract calls conditional with 304, where the client
 * has it. A promise resolves when nothing of `json` is needed any more.
 */
export function sendJsonBytes(
  res: Response<never, Partial<Locals>>,
  json: JsonBytes,
): Promise<void> | undefined {
  res.locals.checkJson?.(JSON.parse(Buffer.concat(json).toString()));
  return res.headersSent ? undefined : write(res, json);
}

function write(res: Response<never, Partial<Locals>>, json: JsonBytes): Promise<void> | undefined {
  // A client may take long to read.
  res.locals.dropBody?.();
  const length = lengthOf(json);
  const coding = begin(res, json, length);
  if (coding === "not-modified") return undefined;
  if (coding !== undefined) return sendEncoded(res, json, coding);
  res.setHeader("Content-Length", length);
  if (length <= onePieceBytes) {
    // The same bytes as text, which Node puts behind the headers in one write.
    res.end(Buffer.concat(json).toString("latin1"), "latin1");
    return undefined;
  }
  endWith(res, json);
  return undefined;
}

function endWith(res: Response<never>, pieces: JsonBytes): void {
  res.cork();
  for (const piece of pieces) res.write(piece);
  res.uncork();
  res.end();
}

/** Sets the headers; tells the coding to send it in, or that a 304 was sent. */
function begin(
  res: Response<never, Partial<Locals>>,
  json: JsonBytes,
  length: number,
): Coding | "not-modified" | undefined {
  const isLong = length > longestPlain;
  // Before a 304, which says it too (RFC 9110 §15.4.5).
  if (isLong) res.vary("Accept-Encoding");
  const coding = isLong ? codingFor(res.req) : undefined;
  if (res.locals.isConditional === true && res.statusCode === 200) {
    const etags = strongETags(json);
    const all = [etags[coding ?? "identity"], ...Object.values(etags)] as const;
    if (answersNotModified(res, all, "private")) return "not-modified";
  }
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  return coding;
}

async function sendEncoded(res: Response<never>, json: JsonBytes, coding: Coding): Promise<void> {
  const pieces = await encode(json, coding, "fast");
  res.setHeader("Content-Encoding", coding);
  res.setHeader("Content-Length", lengthOf(pieces));
  endWith(res, pieces);
}

/** Answers with `text`, which is JSON, whatever the contract says of it. */
export function sendJsonText(res: Response<never, Partial<Locals>>, text: string): void {
  write(res, [Buffer.from(text)])?.catch(passOn(res));
}

/** By then nobody waits for a response but its client: what fails goes the way of every error. */
function passOn({ req }: Response<never>): (error: unknown) => void {
  return (error) => req.next?.(error);
}

/** Answers with `body` as JSON; takes the place of Express's `res.json`, which does so with more settings. */
export function sendJson<Res extends Response<unknown, Partial<Locals>>>(this: Res, body: unknown): Res {
  sendJsonBytes(this, [Buffer.from(JSON.stringify(body))])?.catch(passOn(this));
  return this;
}
