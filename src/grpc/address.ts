import { connect as connectTcp, isIP } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { SecureContext } from "node:tls";

/** A server, and how to connect to it. */
export interface Target {
  /** Its name for calls and certificates. */
  readonly endpoint: URL;
  /** What to connect to: a resolved address of the endpoint's name, or that name or address itself. */
  readonly host: string;
  readonly port: number;
  /** The certificates for a new connection by TLS; by default those that Node trusts. */
  readonly secureContext?: () => SecureContext;
}

/** The server at `endpoint`, http or https; `host` is one of its name's resolved addresses. */
export function targetOf(
  endpoint: URL,
  host = hostOf(endpoint),
  secureContext?: () => SecureContext,
): Target {
  return {
    endpoint,
    host,
    port: Number(endpoint.port || (endpoint.protocol === "https:" ? 443 : 80)),
    ...(secureContext === undefined ? {} : { secureContext }),
  };
}

/** The host of a URL in the form that sockets take: IPv6 without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

/** `host:port`, which identifies a target. */
export function addressOf({ host, port }: Target): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Connects to a target for HTTP/2, by TLS if its endpoint is https. */
export function connectSocket({ endpoint, host, port, secureContext }: Target): Socket {
  if (endpoint.protocol === "http:") return connectTcp({ host, port });
  const name = hostOf(endpoint);
  return connectTls({
    host,
    port,
    // Certificates are for the name, whatever address was resolved.
    servername: isIP(name) === 0 ? name : "",
    ALPNProtocols: ["h2"],
    ...(secureContext === undefined ? {} : { secureContext: secureContext() }),
  });
}
