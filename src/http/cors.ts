import type { IncomingMessage, RequestListener } from "node:http";
import cors from "cors";

/** Whose pages may call: these origins, or everybody's. */
export type AllowedOrigins = readonly string[] | "*";

/** What of a request and of an answer pages may use, beyond what every browser allows (Fetch §3.3). */
export const crossOriginHeaders = {
  sent: [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Last-Event-ID",
    "Prefer",
    "Range",
    "traceparent",
    "tracestate",
  ],
  read: [
    "Accept-Encoding",
    "Accept-Ranges",
    "Allow",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "WWW-Authenticate",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
  ],
} as const;

/** How long a browser may remember what it may send, in seconds: as long as Chromium does. */
const maxAgeSeconds = 7200;

/**
 * Lets pages of the allowed origins use every answer of `listener`, refusals included (Fetch §3.3). Preflights are
 * passed on, to be answered where the path is known. No cookie is ever asked for: a token is what a page needs.
 */
export function allowCrossOrigin(listener: RequestListener, origins: AllowedOrigins): RequestListener {
  const setHeaders = cors<IncomingMessage>({
    origin: origins === "*" ? "*" : [...origins],
    methods: ["GET", "HEAD", "POST", "DELETE"],
    allowedHeaders: [...crossOriginHeaders.sent],
    exposedHeaders: [...crossOriginHeaders.read],
    maxAge: maxAgeSeconds,
    preflightContinue: true,
  });
  return function allowCrossOrigin(req, res) {
    setHeaders(req, res, () => listener(req, res));
  };
}
