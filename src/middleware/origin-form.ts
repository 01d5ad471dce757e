import type { RequestHandler } from "express";

const schemeAndAuthority = /^https?:\/\/[^/?#]*/i;

/**
 * Reduces an absolute-form request target (RFC 9112 §3.2.2) to the path that every later step looks at: what
 * one of them would not recognise, it might not check.
 */
export const originForm: RequestHandler = function originForm(req, _res, next) {
  if (!req.url.startsWith("/")) {
    const path = req.url.replace(schemeAndAuthority, "");
    req.url = path.startsWith("/") ? path : `/${path}`;
    req.originalUrl = req.url;
  }
  next();
};
