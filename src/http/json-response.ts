import type { Response } from "express";
import { handleIfNoneMatch } from "./etag.ts";
import type { StrongETags } from "./etag.ts";
import { codingFor, encode, lengthOf } from "./content-coding.ts";
import type { Coding } from "./content-coding.ts";

/** Longer JSON is compressed if the client accepts that, in bytes. */
const maxPlainBytes = 1024;

/** Up to this size, in bytes, a body is sent in one piece with the headers. */
const maxOnePieceBytes = 16 * 1024;

/** JSON in UTF-8, in pieces. */
type JsonBytes = readonly Buffer[];

/**
 * Sends `body` as JSON with the status that is set. Resolves when the body has been passed to the socket; returns
 * undefined if it already has.
 */
export function sendJson<Body>(res: Response<Body>, body: NoInfer<Body>): Promise<void> | undefined {
  return sendJsonBytes(res, [Buffer.from(JSON.stringify(body))]);
}

/** The same for `json`, which is no longer needed then. */
export function sendJsonBytes(res: Response<never>, json: JsonBytes): Promise<void> | undefined {
  return send(res, json, selectCoding(res, json));
}

/**
 * Sends `json` with 200 and one of its `etags`, or 304 to a client that has it already. The ETag depends on the
 * content coding, so the order is: coding, ETag and 304, body.
 */
export function sendConditionalJson(
  res: Response<never>,
  json: JsonBytes,
  etags: StrongETags,
): Promise<void> | undefined {
  const coding = selectCoding(res, json);
  const isNotModified = handleIfNoneMatch(
    res,
    [etags[coding ?? "identity"], ...Object.values(etags)],
    "private",
  );
  return isNotModified ? undefined : send(res, json, coding);
}

/** The content coding to send `json` in. Sets `Vary` if it depends on the client, also for a 304 (RFC 9110 §15.4.5). */
function selectCoding(res: Response<never>, json: JsonBytes): Coding | undefined {
  if (lengthOf(json) <= maxPlainBytes) return undefined;
  res.vary("Accept-Encoding");
  return codingFor(res.req);
}

function send(res: Response<never>, json: JsonBytes, coding: Coding | undefined): Promise<void> | undefined {
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  if (coding !== undefined) return sendEncoded(res, json, coding);
  const length = lengthOf(json);
  res.setHeader("Content-Length", length);
  // The same bytes as text, which Node appends to the headers in one write.
  if (length <= maxOnePieceBytes) res.end(json.map((piece) => piece.toString("latin1")).join(""), "latin1");
  else endWith(res, json);
  return undefined;
}

async function sendEncoded(res: Response<never>, json: JsonBytes, coding: Coding): Promise<void> {
  const pieces = await encode(json, coding, "fast");
  res.setHeader("Content-Encoding", coding);
  res.setHeader("Content-Length", lengthOf(pieces));
  endWith(res, pieces);
}

function endWith(res: Response<never>, pieces: JsonBytes): void {
  res.cork();
  for (const piece of pieces) res.write(piece);
  res.uncork();
  res.end();
}
