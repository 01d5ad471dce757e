import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import { isHostAndPort } from "../http/origin-form.ts";
import type { Middleware } from "../http/stages.ts";

/** Longest request target, and largest headers of a request, in bytes. */
const maxTargetBytes = 8192;
const maxHeaderBytes = 16_384;

/** The headers that decide whom a request is for, who sends it, where it ends, and what it means. */
const onlyOnce: ReadonlySet<string> = new Set([
  "host",
  "authorization",
  "content-length",
  "transfer-encoding",
  "content-type",
  "idempotency-key",
  "if-unmodified-since",
  "last-event-id",
]);

/** A transfer coding that is registered, or `trailers`, with its weight (RFC 9110 §10.1.4). */
const coding = /^(?:trailers|chunked|(?:x-)?compress|deflate|(?:x-)?gzip)(?:\s*;\s*q=[01](?:\.\d{0,3})?)?$/i;

/** What a header must say, and how to tell whether it does. */
const mustSay: ReadonlyMap<string, readonly [what: string, isSound: (value: string) => boolean]> = new Map([
  ["host", ["a host, with its port or without", isHostAndPort]],
  ["transfer-encoding", ["chunked", (value: string) => /^chunked$/i.test(value)]],
  ["te", ["registered transfer codings", isListOfCodings]],
  ["expect", ["100-continue", (value: string) => /^100-continue$/i.test(value)]],
]);

function isListOfCodings(value: string): boolean {
  return value.split(",").every((part) => part.trim() === "" || coding.test(part.trim()));
}

/**
 * Refuses a request that another HTTP implementation on its way might have read differently: where it ends, whom it
 * is for, who sent it, what it means (RFC 9112 §3.2, §6.1, §11.2). It also holds the limits of a request's head.
 */
export const framing: Middleware = function framing(req, res, next) {
  // Node drops what came in one packet with a request to change the protocol, which is answered in this one.
  if (req.headers.upgrade !== undefined) res.set("Connection", "close");
  next(refusalOf(req));
};

/** Reads the headers as they were sent: of the same one twice, Node shows the first, or both as one. */
function refusalOf({ rawHeaders, httpVersion, url = "" }: IncomingMessage): HttpError | undefined {
  const isCurrent = httpVersion === "1.1";
  if (!isCurrent && httpVersion !== "1.0") return refusal("the version must be HTTP/1.1");
  if (!url.startsWith("/")) {
    return refusal("the request target must be a path, or an http URL with a host and without userinfo");
  }
  if (url.length > maxTargetBytes) {
    return refusal(`the request target is longer than ${maxTargetBytes} bytes`, 414);
  }
  const seen = new Set<string>();
  let bytes = 0;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [given = "", value = ""] = [rawHeaders[i], rawHeaders[i + 1]];
    const name = given.toLowerCase();
    // With the colon, the space and the line break.
    bytes += name.length + value.length + 4;
    if (onlyOnce.has(name)) {
      if (seen.has(name)) return refusal(`there may be only one ${given}`);
      seen.add(name);
    }
    const rule = mustSay.get(name);
    if (rule?.[1](value) === false) return refusal(`${given} must be ${rule[0]}`);
  }
  if (bytes > maxHeaderBytes) return refusal(`the headers are larger than ${maxHeaderBytes} bytes`, 431);
  if (isCurrent && !seen.has("host")) return refusal("there must be a Host");
  if (seen.has("transfer-encoding")) {
    if (seen.has("content-length")) return refusal("Transfer-Encoding and Content-Length exclude each other");
    if (!isCurrent) return refusal("HTTP/1.0 has no Transfer-Encoding");
  }
  return undefined;
}

/** The connection ends with it: what follows such a request may belong to it. */
function refusal(message: string, status?: 414 | 431): HttpError {
  return new HttpError(Code.InvalidArgument, message, {
    ...(status === undefined ? {} : { status }),
    headers: { Connection: "close" },
  });
}
