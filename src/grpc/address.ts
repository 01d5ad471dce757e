import { isIP } from "node:net";
import type { SecureContext } from "node:tls";

/** Where a server is, and how to get there. */
export interface GrpcTarget {
  /** What calls and certificates name it by. */
  readonly endpoint: URL;
  /** What to connect to: an address that the endpoint's name stands for, or that name or address itself. */
  readonly host: string;
  readonly port: number;
  /** The certificates for a new connection by TLS; those that Node trusts, where it is left out. */
  readonly secureContext?: () => SecureContext;
}

/** The server at `endpoint`, http or https; at `host`, where its name stands for more than one. */
export function targetOf(
  endpoint: URL,
  host = hostOf(endpoint),
  secureContext?: () => SecureContext,
): GrpcTarget {
  return {
    endpoint,
    host,
    port: Number(endpoint.port || (endpoint.protocol === "https:" ? 443 : 80)),
    ...(secureContext === undefined ? {} : { secureContext }),
  };
}

/** The host of a URL as sockets take it: IPv6 without its brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

/** `host:port`, which tells targets apart. */
export function addressOf({ host, port }: GrpcTarget): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
