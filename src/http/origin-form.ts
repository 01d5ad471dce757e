import type { RequestListener } from "node:http";
import { isHostAndPort } from "./host-and-port.ts";

/** `http://host:port` or `https://host:port`, and the path with its query (RFC 9112 §3.2.2). */
const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/is;

/**
 * Reduces an absolute-form request target to the path that every later step looks at, before any of them does: what
 * one of them would not recognise, it might not check. A target that is no path and no absolute form becomes `*`,
 * so that nothing of it is logged. That includes one without a host and one with userinfo, which may be a password
 * (RFC 9110 §4.2.1, §4.2.4).
 */
export function originForm(listener: RequestListener): RequestListener {
  return function originForm(req, res) {
    const target = req.url ?? "/";
    if (!target.startsWith("/")) {
      const [, authority = "", path = ""] = absoluteForm.exec(target) ?? [];
      if (/^(?::|$)/.test(authority) || !isHostAndPort(authority)) req.url = "*";
      else req.url = path.startsWith("/") ? path : `/${path}`;
    }
    listener(req, res);
  };
}
