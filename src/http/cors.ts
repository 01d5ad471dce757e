import type { IncomingMessage } from "node:http";
import cors from "cors";
import type { Middleware, ServerStage } from "./stages.ts";

/** The origins whose pages may call; `*` for all. */
export type AllowedOrigins = readonly string[] | "*";

/** The request headers that pages may send and the response headers that they may read, beyond Fetch §3.3's own. */
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
    "X-Request-Id",
  ],
} as const;

/** How long browsers may cache a preflight, in seconds: the most that Chromium does. */
const maxAgeSeconds = 7200;

/**
 * Lets pages of the allowed origins read every response, errors included (Fetch §3.3). No cookies are allowed: pages send
 * a token. Preflights pass on to `preflight`, which knows their path.
 */
export function crossOrigin(origins: AllowedOrigins | undefined): ServerStage {
  if (origins === undefined) return (_req, _res, next) => next();
  return cors<IncomingMessage>({
    origin: origins === "*" ? "*" : [...origins],
    methods: ["GET", "HEAD", "POST", "DELETE"],
    allowedHeaders: [...crossOriginHeaders.sent],
    exposedHeaders: [...crossOriginHeaders.read],
    maxAge: maxAgeSeconds,
    preflightContinue: true,
  });
}

/**
 * Responds 204 to a preflight for a path of the contract (Fetch §4.8), without authentication: browsers send no token
 * with it. `crossOrigin` has set the headers.
 */
export function preflight(origins: AllowedOrigins | undefined): Middleware {
  return function preflight(req, res, next) {
    const isPreflight = req.method === "OPTIONS" && req.get("Access-Control-Request-Method") !== undefined;
    if (isPreflight && origins !== undefined && res.locals.match !== undefined) res.status(204).end();
    else next();
  };
}
