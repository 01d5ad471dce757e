import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import type { RequestHandler } from "express";
import { invalidRequest, Refusal } from "../errors/refusal.ts";
import type { TaskQueue } from "../task-queue.ts";
import { jsonTextFaults } from "../validation/json-text.ts";

/** Largest body of a request, in bytes. */
const maxBytes = 1024 * 1024;

const unsupported = (headers: Readonly<Record<string, string>> = {}) =>
  new Refusal(
    Code.InvalidArgument,
    "the body must be JSON in UTF-8, sent as Content-Type: application/json without a Content-Encoding",
    { status: 415, headers },
  );

/** Refuses a body that does not say it is JSON in UTF-8. */
const wantJson: RequestHandler = function wantJson(req, _res, next) {
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
      throw new Refusal(Code.InvalidArgument, `Content-Type must have only one parameter ${key}`);
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
  new Refusal(Code.InvalidArgument, `the body is larger than ${maxBytes} bytes`, { status: 413 });

/** Asks for the body where the client waits to be asked (RFC 9110 §10.1.1), unless it announces too large a one. */
const askForBody: RequestHandler = function askForBody(req, res, next) {
  if (Number(req.get("content-length")) > maxBytes) throw tooLarge();
  if (req.get("expect") !== undefined && req.httpVersion === "1.1") res.writeContinue();
  next();
};

/** What is to be done with a longer body, in bytes, has turns of the event loop of its own: each may take tens of milliseconds. */
const longestAtOnce = 64 * 1024;

/** Reads and parses the body. What the scanner tells of a text that is no JSON repeats a character of it at most. */
function readJson(tasks: TaskQueue): RequestHandler {
  return async function readJson(req, _res, next) {
    const bytes = await bytesOf(req);
    if (bytes.length <= longestAtOnce) {
      req.body = JSON.parse(checkedText(bytes)) as unknown;
      return next();
    }
    const text = await tasks.runOnce(() => checkedText(bytes));
    req.body = await tasks.runOnce((): unknown => JSON.parse(text));
    // The validation that follows has a turn of its own too.
    await tasks.runOnce(next);
  };
}

/** The text of a body that is JSON in UTF-8. */
function checkedText(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw unsupported();
  // A byte order mark is no part of the text (RFC 8259 §8.1).
  const text = bytes.toString("utf8").replace(/^\ufeff/, "");
  const faults = jsonTextFaults(text);
  if (faults.length > 0) throw invalidRequest(faults);
  return text;
}

/**
 * The body of a request; rejects as soon as it is larger than allowed, without waiting for what is left. It stays
 * pending when the client breaks off, who can be told nothing.
 */
function bytesOf(req: IncomingMessage): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  let length = 0;
  return new Promise((resolve, reject) => {
    req.on("data", (chunk: Buffer) => {
      const wanted = length + chunk.length;
      if (wanted > maxBytes) return reject(tooLarge());
      // One buffer, since chunks may be as small as a byte, and each takes some hundred bytes beside that.
      if (wanted > bytes.length) bytes = Buffer.concat([bytes], Math.max(wanted, 2 * bytes.length));
      length += chunk.copy(bytes, length);
    });
    req.once("end", () => resolve(bytes.subarray(0, length)));
  });
}

/** Reads and parses a JSON body of at most 1 MiB: 415, 413 and 400 for what is none. */
export function jsonBody(tasks: TaskQueue): readonly RequestHandler[] {
  return [wantJson, askForBody, readJson(tasks)];
}
