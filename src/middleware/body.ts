import { isUtf8 } from "node:buffer";
import { Code } from "@connectrpc/connect";
import express from "express";
import type { ErrorRequestHandler, RequestHandler } from "express";
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

const parseJson = express.json({
  limit: maxBytes,
  strict: false,
  inflate: false,
  type: () => true,
  verify(_req, _res, body) {
    if (!isUtf8(body)) throw notJson();
  },
});

/** Says what is wrong with a body that could not be parsed. The parser's error carries the body: no more than its message goes on. */
const refuseBody: ErrorRequestHandler = function refuseBody(error: unknown, _req, _res, next) {
  if (error instanceof Refusal) return next(error);
  const { type, message } = error as { type?: string; message?: string };
  if (type === "entity.too.large") {
    next(new Refusal(Code.InvalidArgument, `the body is larger than ${maxBytes} bytes`, { status: 413 }));
  } else if (type === "entity.parse.failed") {
    next(invalidRequest([{ path: "/body", message: `must be JSON: ${message ?? ""}` }]));
  } else if (type === "request.aborted") {
    next(new Refusal(Code.InvalidArgument, "the body ended before its announced length"));
  } else {
    next(error);
  }
};

/** Reads and parses a JSON body of at most 1 MiB: 415, 413 and 400 for what is none. */
export const jsonBody = [wantJson, parseJson, refuseBody] as const;
