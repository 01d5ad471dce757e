import { connect as connectTcp, isIP } from "node:net";
import type { OnReadOpts, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions, SecureContext } from "node:tls";

/** The address of a server, and how to connect to it. */
export interface ResolvedAddress {
  /** The URL of the server, whose name is used for calls and certificates. */
  readonly endpoint: URL;
  /** The host to connect to: the host of the endpoint, or one of its resolved addresses. */
  readonly host: string;
  readonly port: number;
  /** Returns the certificates for a new TLS connection; by default Node's own authorities are trusted. */
  readonly secureContext?: () => SecureContext;
}

/** The address of `endpoint`, http or https; `host` is one of those that its name resolves to. */
export function resolvedAddress(
  endpoint: URL,
  host = hostOf(endpoint),
  secureContext?: () => SecureContext,
): ResolvedAddress {
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

/** `host:port`, which identifies an address. */
export function hostAndPort({ host, port }: ResolvedAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Opens a socket for HTTP/2, with TLS if the endpoint is https. With `onread`, it reads into that buffer. */
export function connectSocket(
  { endpoint, host, port, secureContext }: ResolvedAddress,
  onread?: OnReadOpts,
): Socket {
  const reading = onread === undefined ? {} : { onread };
  if (endpoint.protocol === "http:") return connectTcp({ host, port, noDelay: true, ...reading });
  const name = hostOf(endpoint);
  const options: ConnectionOptions = {
    host,
    port,
    // TLS sockets have it too, which their types do not know.
    ...reading,
    // Certificates contain the name, not the resolved address.
    servername: isIP(name) === 0 ? name : "",
    ALPNProtocols: ["h2"],
    ...(secureContext === undefined ? {} : { secureContext: secureContext() }),
  };
  const socket = connectTls(options).setNoDelay(true);
  return socket.once("secureConnect", () => {
    // RFC 9113 §3.2.
    if (socket.alpnProtocol !== "h2") socket.destroy(new Error("the server does not offer HTTP/2 by ALPN"));
  });
}
