import type { IncomingMessage } from "node:http";
import { BlockList, isIPv6 } from "node:net";
import { addressIn, entriesFromEnd, hopsInForwarded, plainAddress, schemeIn } from "./forwarded.ts";
import type { Hop, Scheme } from "./forwarded.ts";

/** Addresses with the same first `prefix` bits. */
export interface Subnet {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

/** Where a request comes from, for logs and spans only: none of it is proven. */
export interface Client {
  /** An IP address; undefined if the client has disconnected already. */
  readonly address: string | undefined;
  /** The scheme of the URL that the client used. */
  readonly scheme: Scheme;
  /** What a trusted proxy calls the request in `X-Request-Id`. */
  readonly requestId: string | undefined;
}

export type FindClient = (req: IncomingMessage) => Client;

/** How many proxies are followed. */
const maxHops = 16;

/** Safe in every log, and long enough for UUIDs, trace ids and the ids of load balancers. */
const requestIdPattern = /^[\w.:+/=@-]{1,128}$/;

/**
 * Returns a function that finds the client of a request: it goes from the connection's address to what `Forwarded` or
 * `X-Forwarded-For` says about the hop before it, as long as the hop is one of `proxies`. A proxy sets one of the two
 * and may pass on the other as a client has sent it. If both lead somewhere else, it is not known which one is true, and
 * the client is the hop that is certain: the connection's. So no client can choose the address of another.
 */
export function createFindClient(proxies: readonly Subnet[]): FindClient {
  if (proxies.length === 0) return directClient;
  const trusted = new BlockList();
  for (const { address, prefix, family } of proxies) trusted.addSubnet(address, prefix, family);
  const isTrusted = (address: string) => trusted.check(address, isIPv6(address) ? "ipv6" : "ipv4");

  return function findClient(req) {
    const direct = directClient(req);
    if (direct.address === undefined || !isTrusted(direct.address)) return direct;
    const { forwarded } = req.headers;
    const forwardedFor = joined(req.headers["x-forwarded-for"]);
    const forwardedProto = joined(req.headers["x-forwarded-proto"]);
    const inForwarded =
      forwarded === undefined ? undefined : follow(direct.address, hopsInForwarded(forwarded), isTrusted);
    const inXForwarded = follow(direct.address, hopsInXForwarded(forwardedFor, forwardedProto), isTrusted);
    const requestId = joined(req.headers["x-request-id"]);
    return {
      address:
        agreed(inForwarded?.address, forwardedFor === undefined ? undefined : inXForwarded.address) ??
        direct.address,
      scheme: agreed(inForwarded?.scheme, inXForwarded.scheme) ?? direct.scheme,
      requestId: requestId !== undefined && requestIdPattern.test(requestId) ? requestId : undefined,
    };
  };
}

/** The client as the connection shows it. The gateway itself serves plain HTTP. */
function directClient({ socket: { remoteAddress } }: IncomingMessage): Client {
  const address = remoteAddress === undefined ? undefined : plainAddress(remoteAddress);
  return { address, scheme: "http", requestId: undefined };
}

/** Follows `hops` from a trusted address on. What the last trusted hop says about the scheme counts. */
function follow(from: string, hops: Iterable<Hop>, isTrusted: (address: string) => boolean): Hop {
  let address = from;
  let scheme: Scheme | undefined;
  let count = 0;
  for (const hop of hops) {
    count += 1;
    scheme = hop.scheme ?? scheme;
    address = hop.address ?? address;
    // What is farther away is not read.
    if (hop.address === undefined || count === maxHops || !isTrusted(address)) break;
  }
  return { address, scheme };
}

/** The hops in `X-Forwarded-For` and `X-Forwarded-Proto`. The latter often has one entry, whatever the number of hops. */
function* hopsInXForwarded(forwardedFor = "", forwardedProto = ""): Generator<Hop> {
  const schemes = entriesFromEnd(forwardedProto);
  for (const node of entriesFromEnd(forwardedFor)) {
    const next = schemes.next();
    yield { address: addressIn(node), scheme: next.done === true ? undefined : schemeIn(next.value) };
  }
}

/** The only value, or the one that both are; undefined if they differ, and if there is none. */
function agreed<T>(one: T | undefined, other: T | undefined): T | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one === other ? one : undefined;
}

/** Node joins the lines of these headers. */
function joined(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === "string" ? header : header?.join(", ");
}
