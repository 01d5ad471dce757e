import type { RequestListener } from "node:http";

const schemeAndAuthority = /^https?:\/\/[^/?#]*/i;

/**
 * Reduces an absolute-form request target (RFC 9112 §3.2.2) to the path that every later step looks at, before
 * any of them does: what one of them would not recognise, it might not check.
 */
export function originForm(listener: RequestListener): RequestListener {
  return function originForm(req, res) {
    const target = req.url ?? "/";
    if (!target.startsWith("/")) {
      const path = target.replace(schemeAndAuthority, "");
      req.url = path.startsWith("/") ? path : `/${path}`;
    }
    listener(req, res);
  };
}
