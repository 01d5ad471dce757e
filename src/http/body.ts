import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import type { Response } from "express";
import onHeaders from "on-headers";
import { keyHashOf } from "../auth/caller.ts";
import { invalidRequest, HttpError } from "../errors/http-error.ts";
import type { AuthenticatedLocals, BodyLocals, Middleware } from "./stages.ts";
import { runSync } from "../load-shedding/task-queue.ts";
import type { TaskQueue } from "../load-shedding/task-queue.ts";
import { jsonTextViolations } from "../validation/json-text-violations.ts";
import { parseJson } from "../validation/parse-json.ts";

/** 415 that says what the request has instead. */
const unsupported = (actual: string, headers: Readonly<Record<string, string>> = {}) =>
  new HttpError(
    Code.InvalidArgument,
    `the body must be JSON in UTF-8, sent as Content-Type: application/json without a Content-Encoding; this request has ${actual}`,
    { status: 415, headers },
  );

/** The maximum length of a header's value in a message. */
const maxShownLength = 64;

/** A header for a message: its value may have any length and characters. */
function shownHeader(name: string, value: string): string {
  const isLong = value.length > maxShownLength;
  return `${name}: ${value.slice(0, maxShownLength).replaceAll(/[^ -~]/g, "?")}${isLong ? "…" : ""}`;
}

/** Responds 415 unless the headers announce JSON in UTF-8. */
export const requireJson: Middleware = function requireJson(req, _res, next) {
  const coding = req.get("content-encoding") ?? "identity";
  // `Accept-Encoding` shows that the coding is the reason (RFC 9110 §12.5.3, §15.5.16).
  if (coding.toLowerCase() !== "identity")
    throw unsupported(shownHeader("Content-Encoding", coding), { "Accept-Encoding": "identity" });
  const contentType = req.get("content-type");
  if (contentType === undefined) throw unsupported("no Content-Type");
  const { type, charset } = parseMediaType(contentType);
  if (type !== "application/json" || (charset !== undefined && charset !== "utf-8"))
    throw unsupported(shownHeader("Content-Type", contentType));
  next();
};

/** A parameter of a media type and the separator before it, or the separator alone (RFC 9110 §5.6.6). */
const parameterPattern = /[ \t]*;[ \t]*(?:([\w!#$%&'*+.^`|~-]+)=([\w!#$%&'*+.^`|~-]+|"(?:[^"\\]|\\.)*"))?/gy;

/**
 * The type and charset of a `Content-Type`, in lower case; the type of a malformed one is empty. Throws 400 for a
 * repeated parameter, which is ambiguous.
 */
function parseMediaType(header: string): { readonly type: string; readonly charset?: string } {
  const [type = ""] = header.split(";", 1);
  const parameters = new Map<string, string>();
  let end = type.trimEnd().length;
  for (const [whole, name, value = ""] of header.slice(end).matchAll(parameterPattern)) {
    end += whole.length;
    if (name === undefined) continue;
    const key = name.toLowerCase();
    if (parameters.has(key)) {
      const shown = key.slice(0, maxShownLength);
      throw new HttpError(Code.InvalidArgument, `Content-Type must have only one parameter ${shown}`);
    }
    parameters.set(key, unquoted(value).toLowerCase());
  }
  const charset = parameters.get("charset");
  return {
    type: end === header.trimEnd().length ? type.trimEnd().toLowerCase() : "",
    ...(charset === undefined ? {} : { charset }),
  };
}

/** The text of a token or of a quoted string (RFC 9110 §5.6.4). */
function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
}

const tooLarge = (maxBytes: number) =>
  new HttpError(Code.InvalidArgument, `the body is larger than ${maxBytes} bytes`, { status: 413 });

/** Responds 413 to an announced length above `maxBytes`, before anything is read. */
export function limitLength(maxBytes: number): Middleware {
  return function limitLength(req, _res, next) {
    if (Number(req.get("content-length")) > maxBytes) throw tooLarge(maxBytes);
    next();
  };
}

/** Bodies up to this size, in bytes, are parsed at once; larger ones in slices, after they have acquired the parser. */
const maxSyncBytes = 2 * 1024;

/** Larger bodies, in bytes, are read only after `acquire`. Smaller bodies are read first: slow clients then hold nothing. */
const maxUnheldBytes = 64 * 1024;

/** The limits of bodies, and the queue that runs long work in slices. */
export interface BodyOptions {
  /** The maximum size of a body. */
  readonly maxBodyBytes: number;
  readonly largeBodies: {
    acquire(res: Response, keyHash: string | undefined): Promise<void>;
    acquireParser(res: Response): Promise<() => void>;
  };
  readonly tasks: TaskQueue;
}

/** Reads and parses the body into `req.body`. A syntax error repeats at most one character of it. */
function readJson({
  maxBodyBytes,
  largeBodies,
  tasks,
}: BodyOptions): Middleware<AuthenticatedLocals, BodyLocals> {
  return async function readJson(req, res, next) {
    const keyHash = keyHashOf(res.locals.caller);
    let acquired: Promise<void> | undefined;
    const acquire = () => (acquired ??= largeBodies.acquire(res, keyHash));
    if (Number(req.get("content-length") ?? 0) > maxUnheldBytes) await acquire();
    // The client waits for this before it sends the body (RFC 9110 §10.1.1).
    if (req.get("expect") !== undefined && req.httpVersion === "1.1") res.writeContinue();
    const bytes = await readBytes(req, maxBodyBytes, acquire);
    if (bytes.length <= maxSyncBytes) {
      req.body = runSync(parseBody(bytes));
      return next();
    }
    await acquire();
    const releaseParser = await largeBodies.acquireParser(res);
    function releaseBody() {
      delete req.body;
      releaseParser();
    }
    res.locals.releaseBody = releaseBody;
    // A client may take long to read the response.
    onHeaders(res, releaseBody);
    req.body = await tasks.run(keyHash, parseBody(bytes));
    // The validation after this runs as a slice of its own.
    await tasks.runOnce(keyHash, next);
  };
}

/** Parses a body in short slices. */
function* parseBody(bytes: Buffer): Generator<void, unknown> {
  if (!isUtf8(bytes)) throw unsupported("bytes that are not UTF-8");
  // A parser may ignore a byte order mark (RFC 8259 §8.1).
  const text = bytes.toString("utf8").replace(/^\ufeff/, "");
  const violations = yield* jsonTextViolations(text);
  if (violations.length > 0) throw invalidRequest(violations);
  return yield* parseJson(text);
}

/**
 * Reads the body of a request. Rejects as soon as it is too large, and stays pending when the client disconnects. Pauses
 * a body above `maxUnheldBytes` until `acquire` resolves.
 */
export function readBytes(
  req: IncomingMessage,
  maxBytes: number,
  acquire: () => Promise<void>,
): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  let length = 0;
  let isLarge = false;
  return new Promise((resolve, reject) => {
    req.on("data", (chunk: Buffer) => {
      const needed = length + chunk.length;
      if (needed > maxBytes) return reject(tooLarge(maxBytes));
      // One buffer: chunks may be as small as a byte, and each has an overhead of some hundred bytes.
      if (needed > bytes.length)
        bytes = Buffer.concat([bytes], Math.max(needed, Math.min(2 * bytes.length, maxBytes)));
      length += chunk.copy(bytes, length);
      if (isLarge || length <= maxUnheldBytes) return;
      isLarge = true;
      req.pause();
      acquire().then(() => req.resume(), reject);
    });
    req.once("end", () => resolve(bytes.subarray(0, length)));
  });
}

/**
 * Reads and parses a JSON body; responds 415, 413 or 400 to any other body. `express.json` would read every body at once,
 * and `JSON.parse` blocks the event loop and corrupts escaped keys (see `parseJson`).
 */
export function jsonBody(options: BodyOptions): readonly Middleware<BodyLocals>[] {
  return [requireJson, limitLength(options.maxBodyBytes), readJson(options)];
}
