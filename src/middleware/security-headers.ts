import type { Middleware } from "../http/stages.ts";

/**
 * Headers for an API without pages: browsers must not render, frame or sniff its responses, nor let pages of other
 * origins embed them. HSTS is left to the proxy that terminates TLS, and headers for old browsers or for pages are left out.
 */
const headers = [
  ["Content-Security-Policy", "default-src 'none';frame-ancestors 'none'"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
  ["Referrer-Policy", "no-referrer"],
  ["X-Content-Type-Options", "nosniff"],
] as const;

export const securityHeaders: Middleware = function securityHeaders(_req, res, next) {
  for (const [name, value] of headers) res.setHeader(name, value);
  next();
};
