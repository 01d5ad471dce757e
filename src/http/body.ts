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
import { jsonTextViolations } from "../validation/json-text.ts";
import { parseJson } from "../validation/parse-json.ts";

/** Largest body of a request, in bytes. */
const maxBytes = 1024 * 1024;

const unsupported = (headers: Readonly<Record<string, string>> = {}) =>
  new HttpError(
    Code.InvalidArgument,
    "the body must be JSON in UTF-8, sent as Content-Type: application/json without a Content-Encoding",
    { status: 415, headers },
  );

/** Refuses a body that does not say it is JSON in UTF-8. */
const wantJson: Middleware = function wantJson(req, _res, next) {
  const coding = req.get("content-encoding") ?? "identity";
  // Tells that the coding is what is wrong (RFC 9110 §12.5.3, §15.5.16).
  if (coding.toLowerCase() !== "identity") throw unsupported({ "Accept-Encoding": "identity" });
  const { type, charset } = mediaTypeFrom(req.get("content-type") ?? "");
  if (type !== "application/json" || (charset !== undefined && charset !== "utf-8")) throw unsupported();
  next();
};

/** A parameter of a media type with what separates it from the one before; there may be none (RFC 9110 §5.6.6). */
const parameterPattern = /[ \t]*;[ \t]*(?:([\w!#$%&'*+.^`|~-]+)=([\w!#$%&'*+.^`|~-]+|"(?:[^"\\]|\\.)*"))?/gy;

/**
 * The type of a `Content-Type` and its charset, both in lower case; an empty type where it cannot be read. Throws 400
 * for a parameter that is given twice: which of them is meant, nobody can say.
 */
function mediaTypeFrom(header: string): { readonly type: string; readonly charset?: string } {
  const [type = ""] = header.split(";", 1);
  const parameters = new Map<string, string>();
  let end = type.trimEnd().length;
  for (const [whole, name, value = ""] of header.slice(end).matchAll(parameterPattern)) {
    end += whole.length;
    if (name === undefined) continue;
    const key = name.toLowerCase();
    if (parameters.has(key)) {
      throw new HttpError(Code.InvalidArgument, `Content-Type must have only one parameter ${key}`);
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

const tooLarge = () =>
  new HttpError(Code.InvalidArgument, `the body is larger than ${maxBytes} bytes`, { status: 413 });

/** Refuses a body that is announced as too large, before any of it is read. */
const limitLength: Middleware = function limitLength(req, _res, next) {
  if (Number(req.get("content-length")) > maxBytes) throw tooLarge();
  next();
};

/** A larger body, in bytes, is held and parsed in its turn, in steps; the others are parsed as soon as they are there. */
const atOnceBytes = 2 * 1024;

/** A larger one is not even read before its turn: the others are read first, so that slow clients hold no turn. */
const readBytes = 64 * 1024;

/** Where large bodies, and work that takes long, wait for their turn. */
export interface BodyQueues {
  readonly largeBodies: {
    acquire(res: Response, keyHash: string | undefined): Promise<void>;
    acquireParser(res: Response): Promise<() => void>;
  };
  readonly tasks: TaskQueue;
}

/** Reads and parses the body. What the scanner tells of a text that is no JSON repeats a character of it at most. */
function readJson({ largeBodies, tasks }: BodyQueues): Middleware<AuthenticatedLocals, BodyLocals> {
  return async function readJson(req, res, next) {
    const keyHash = keyHashOf(res.locals.caller);
    let held: Promise<void> | undefined;
    const hold = () => (held ??= largeBodies.acquire(res, keyHash));
    if (Number(req.get("content-length") ?? 0) > readBytes) await hold();
    // The client waits to be asked (RFC 9110 §10.1.1).
    if (req.get("expect") !== undefined && req.httpVersion === "1.1") res.writeContinue();
    const bytes = await bytesOf(req, hold);
    if (bytes.length <= atOnceBytes) {
      req.body = runSync(jsonOf(bytes));
      return next();
    }
    await hold();
    const endParsed = await largeBodies.acquireParser(res);
    function releaseBody() {
      delete req.body;
      endParsed();
    }
    res.locals.releaseBody = releaseBody;
    // A client may take long to read the response.
    onHeaders(res, releaseBody);
    req.body = await tasks.run(keyHash, jsonOf(bytes));
    // The validation that follows has a turn of its own too.
    await tasks.runOnce(keyHash, next);
  };
}

/** What a body in JSON says, in short steps. */
function* jsonOf(bytes: Buffer): Generator<void, unknown> {
  if (!isUtf8(bytes)) throw unsupported();
  // A byte order mark is no part of the text (RFC 8259 §8.1).
  const text = bytes.toString("utf8").replace(/^\ufeff/, "");
  const faults = yield* jsonTextViolations(text);
  if (faults.length > 0) throw invalidRequest(faults);
  return yield* parseJson(text);
}

/**
 * The body of a request; rejects as soon as it is larger than allowed, without waiting for what is left. It stays
 * pending when the client breaks off, who can be told nothing. Where the body turns out to be large, no more of it is read
 * until `hold` resolves.
 */
function bytesOf(req: IncomingMessage, hold: () => Promise<void>): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  let length = 0;
  let isHeld = false;
  return new Promise((resolve, reject) => {
    req.on("data", (chunk: Buffer) => {
      const wanted = length + chunk.length;
      if (wanted > maxBytes) return reject(tooLarge());
      // One buffer, since chunks may be as small as a byte, and each takes some hundred bytes beside that.
      if (wanted > bytes.length) bytes = Buffer.concat([bytes], Math.max(wanted, 2 * bytes.length));
      length += chunk.copy(bytes, length);
      if (isHeld || length <= readBytes) return;
      isHeld = true;
      req.pause();
      hold().then(() => req.resume(), reject);
    });
    req.once("end", () => resolve(bytes.subarray(0, length)));
  });
}

/** Reads and parses a JSON body of at most 1 MiB: 415, 413 and 400 for what is none. */
export function jsonBody(queues: BodyQueues): readonly Middleware<BodyLocals>[] {
  return [wantJson, limitLength, readJson(queues)];
}
