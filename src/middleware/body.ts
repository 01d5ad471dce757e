import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import type { RequestHandler } from "express";
import { invalidRequest, Refusal } from "../errors/refusal.ts";

/** Largest body of a request, in bytes. */
const maxBytes = 1024 * 1024;

const notJson = () =>
  new Refusal(
    Code.InvalidArgument,
    "the body must be JSON in UTF-8, sent as Content-Type: application/json without a Content-Encoding",
    {
      status: 415,
    },
  );

/** Refuses a body that does not say it is JSON in UTF-8. */
const wantJson: RequestHandler = function wantJson(req, _res, next) {
  const [type = "", ...parameters] = (req.get("content-type") ?? "").toLowerCase().split(";");
  const charset = parameters
    .map((parameter) => parameter.trim())
    .find((parameter) => parameter.startsWith("charset="));
  const isUtf8Json =
    type.trim() === "application/json" &&
    (charset === undefined || /^charset=(?:utf-8|"utf-8")$/.test(charset));
  if (!isUtf8Json || (req.get("content-encoding") ?? "identity").toLowerCase() !== "identity")
    throw notJson();
  next();
};

const tooLarge = () =>
  new Refusal(Code.InvalidArgument, `the body is larger than ${maxBytes} bytes`, { status: 413 });

/** Asks for the body where the client waits to be asked (RFC 9110 §10.1.1), unless it announces too large a one. */
const askForBody: RequestHandler = function askForBody(req, res, next) {
  if (Number(req.get("content-length")) > maxBytes) throw tooLarge();
  if (req.get("expect") !== undefined && req.httpVersion === "1.1") res.writeContinue();
  next();
};

/** Reads and parses the body. What the parser throws may repeat the body: no more than its message goes on. */
const readJson: RequestHandler = async function readJson(req, _res, next) {
  const bytes = await bytesOf(req);
  if (!isUtf8(bytes)) throw notJson();
  req.body = parsedJson(bytes.toString("utf8"));
  next();
};

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { message } = error as SyntaxError;
    throw invalidRequest([{ path: "/body", message: `must be JSON: ${message}` }]);
  }
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
export const jsonBody = [wantJson, askForBody, readJson] as const;
