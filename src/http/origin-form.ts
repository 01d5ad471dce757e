import type { ServerStage } from "./stages.ts";

/** `http://host:port` or `https://host:port`, and the path with its query (RFC 9112 §3.2.2). */
const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/is;

/**
 * Reduces an absolute-form request target to its path and query, so that every later stage sees the same form. Any other
 * target becomes `*`, which `framing` rejects; so the log never contains it. An absolute form without a host or with
 * userinfo, which may be a password, is such a target (RFC 9110 §4.2.1, §4.2.4).
 */
export const originForm: ServerStage = function originForm(req, _res, next) {
  const target = req.url ?? "/";
  if (!target.startsWith("/")) {
    const [, authority = "", path = ""] = absoluteForm.exec(target) ?? [];
    if (/^(?::|$)/.test(authority) || !isHostAndPort(authority)) req.url = "*";
    else req.url = path.startsWith("/") ? path : `/${path}`;
  }
  next();
};

/** An IPv6 address in brackets, or a name or IPv4 address, with its port (RFC 9110 §7.2, RFC 3986 §3.2.2). */
const hostAndPort = /^(?:\[[\da-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i;

/** Whether `text` is a host, which may be empty, with or without a port. */
export function isHostAndPort(text: string): boolean {
  return hostAndPort.test(text);
}
