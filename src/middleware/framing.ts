import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import { isHostAndPort } from "../http/origin-form.ts";
import type { Middleware } from "../http/stages.ts";

/** The maximum size of a request target and of the headers, in bytes. */
const maxTargetBytes = 8192;
const maxHeaderBytes = 16_384;

/** Headers that are ambiguous when repeated: they decide where a request ends, who its caller is, and what it means. */
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

/** A registered transfer coding or `trailers`, with a weight (RFC 9110 §10.1.4). */
const coding = /^(?:trailers|chunked|(?:x-)?compress|deflate|(?:x-)?gzip)(?:\s*;\s*q=[01](?:\.\d{0,3})?)?$/i;

/** Rules for the values of headers. */
const rules: ReadonlyMap<string, readonly [expected: string, isValid: (value: string) => boolean]> = new Map([
  ["host", ["a host, with its port or without", isHostAndPort]],
  ["transfer-encoding", ["chunked", (value: string) => /^chunked$/i.test(value)]],
  ["te", ["registered transfer codings", isListOfCodings]],
  ["expect", ["100-continue", (value: string) => /^100-continue$/i.test(value)]],
]);

function isListOfCodings(value: string): boolean {
  return value.split(",").every((part) => part.trim() === "" || coding.test(part.trim()));
}

/**
 * Rejects a request that a proxy before the gateway might have understood differently: its end, its host, its caller or
 * its meaning (RFC 9112 §3.2, §6.1, §11.2). Also limits the length of the target and the headers.
 */
export const framing: Middleware = function framing(req, res, next) {
  // Node drops the data after a request with `Upgrade`, which the gateway serves without the upgrade.
  if (req.headers.upgrade !== undefined) res.set("Connection", "close");
  next(framingError(req));
};

/** Reads `rawHeaders`: of a repeated header, `headers` has the first or all joined. */
function framingError({ rawHeaders, httpVersion, url = "" }: IncomingMessage): HttpError | undefined {
  const isCurrent = httpVersion === "1.1";
  if (!isCurrent && httpVersion !== "1.0") return rejection("the version must be HTTP/1.1");
  if (!url.startsWith("/")) {
    return rejection("the request target must be a path, or an http URL with a host and without userinfo");
  }
  if (url.length > maxTargetBytes) {
    return rejection(`the request target is longer than ${maxTargetBytes} bytes`, 414);
  }
  const seen = new Set<string>();
  let bytes = 0;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [given = "", value = ""] = [rawHeaders[i], rawHeaders[i + 1]];
    const name = given.toLowerCase();
    // Colon, space, CR and LF.
    bytes += name.length + value.length + 4;
    if (onlyOnce.has(name)) {
      if (seen.has(name)) return rejection(`${given} must not be repeated`);
      seen.add(name);
    }
    const rule = rules.get(name);
    if (rule?.[1](value) === false) return rejection(`${given} must be ${rule[0]}`);
  }
  if (bytes > maxHeaderBytes) return rejection(`the headers are larger than ${maxHeaderBytes} bytes`, 431);
  if (isCurrent && !seen.has("host")) return rejection("the Host header is missing");
  if (seen.has("transfer-encoding")) {
    if (seen.has("content-length"))
      return rejection("Transfer-Encoding and Content-Length exclude each other");
    if (!isCurrent) return rejection("HTTP/1.0 has no Transfer-Encoding");
  }
  return undefined;
}

/** An error that closes the connection: the bytes after such a request may be part of it. */
function rejection(message: string, status?: 414 | 431): HttpError {
  return new HttpError(Code.InvalidArgument, message, {
    ...(status === undefined ? {} : { status }),
    headers: { Connection: "close" },
  });
}
