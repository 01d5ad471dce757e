import { isIP } from "node:net";

/** The schemes of URLs that a client may have used. */
export type Scheme = "http" | "https";

/** What a proxy says about whoever sent it the request. */
export interface Hop {
  /** An IP address; undefined if the proxy does not say, or what it says is not one. */
  readonly address: string | undefined;
  readonly scheme: Scheme | undefined;
}

/** The proxy does not say anything that can be read. */
const nothing: Hop = { address: undefined, scheme: undefined };

/** The longest element of `Forwarded` that is read, in characters. */
const maxElementLength = 512;

/** The hops in a `Forwarded` header (RFC 7239 §4), the one next to the gateway first. Elements are read one by one. */
export function* hopsInForwarded(header: string): Generator<Hop> {
  let end = header.length;
  while (end >= 0) {
    const start = startOfElement(header, end);
    yield start === undefined ? nothing : hopOf(header.slice(start, end));
    end = (start ?? 0) - 1;
  }
}

/**
 * Where the element that ends at `end` starts; undefined if it is too long. It is searched from its end: the last element
 * is the nearest proxy's, and an unbalanced quote that a client has sent before it must not swallow it.
 */
function startOfElement(header: string, end: number): number | undefined {
  let isQuoted = false;
  for (let at = end - 1; at >= end - maxElementLength; at -= 1) {
    if (at < 0) return 0;
    const character = header[at];
    if (character === '"' && !isEscaped(header, at)) isQuoted = !isQuoted;
    else if (character === "," && !isQuoted) return at + 1;
  }
  return undefined;
}

/** Whether an odd number of backslashes is before `at`. */
function isEscaped(header: string, at: number): boolean {
  let start = at;
  while (header[start - 1] === "\\") start -= 1;
  return (at - start) % 2 === 1;
}

/** A parameter of an element, or none. Values that are not tokens, such as `[::1]`, must be quoted, but often are not. */
const parameterPattern = /[ \t]*(?:([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*)))?[ \t]*(?:;|$)/y;

function hopOf(element: string): Hop {
  let address: string | undefined;
  let scheme: Scheme | undefined;
  const seen = new Set<string>();
  parameterPattern.lastIndex = 0;
  while (parameterPattern.lastIndex < element.length) {
    const match = parameterPattern.exec(element);
    if (match === null) return nothing;
    const [, name, quoted, token = ""] = match;
    if (name === undefined) continue;
    const key = name.toLowerCase();
    // §4 forbids to repeat a parameter.
    if (seen.has(key)) return nothing;
    seen.add(key);
    const value = quoted?.replace(/\\(.)/g, "$1") ?? token;
    if (key === "for") address = addressIn(value);
    if (key === "proto") scheme = schemeIn(value);
  }
  return { address, scheme };
}

/** The entries of a list without quotes, such as `X-Forwarded-For`, the last one first. */
export function* entriesFromEnd(header: string): Generator<string> {
  let end = header.length;
  while (end >= 0) {
    const start = end === 0 ? 0 : header.lastIndexOf(",", end - 1) + 1;
    yield header.slice(start, end).trim();
    end = start - 1;
  }
}

/** IPv6 in brackets, or IPv4, each with a port or an obfuscated one or without (RFC 7239 §6). */
const nodePattern = /^(?:\[([\da-f:.]{2,45})\]|([\d.]{7,15}))(?::[\w.-]+)?$/i;

/** The IP address in an identifier of a node; undefined for `unknown`, obfuscated ones and anything else. */
export function addressIn(node: string): string | undefined {
  if (node.length > 64) return undefined;
  const [, ipv6, ipv4] = nodePattern.exec(node) ?? [];
  const address = ipv6 ?? ipv4 ?? node;
  // Node accepts any zone.
  return isIP(address) === 0 || address.includes("%") ? undefined : plainAddress(address);
}

/** An address without a zone, and an IPv4 address without the IPv6 prefix that it has on a dual-stack socket. */
export function plainAddress(address: string): string {
  const [plain = ""] = address.split("%", 1);
  return /^::ffff:[\d.]+$/i.test(plain) ? plain.slice("::ffff:".length) : plain;
}

export function schemeIn(text: string): Scheme | undefined {
  const scheme = text.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : undefined;
}
