/** An IPv6 address in brackets, or a name or IPv4 address, with its port (RFC 9110 §7.2, RFC 3986 §3.2.2). */
const hostAndPort = /^(?:\[[\da-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i;

/** Whether `text` is a host, which may be empty, with its port or without. */
export function isHostAndPort(text: string): boolean {
  return hostAndPort.test(text);
}
