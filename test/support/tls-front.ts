import { once } from "node:events";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { Identity } from "./certificates.ts";

/** A TLS proxy before a server without TLS. */
export interface TlsFront {
  /** Its URL by an address; its port is the same by any name. */
  readonly url: string;
  readonly port: number;
  /** The names in the clients' certificates, and the server names that they sent, one for each connection. */
  readonly clients: readonly {
    readonly name: string | undefined;
    readonly calledBy: TLSSocket["servername"];
  }[];
  /** Destroys every connection; new ones are accepted. */
  dropConnections(): void;
  close(): Promise<void>;
}

/** The certificate of a front, and the clients that it accepts. */
interface TlsFrontOptions extends Identity {
  /** The authority of accepted clients; by default every client is accepted. */
  readonly ca?: string;
  /** Its protocol; HTTP/2 by default. */
  readonly alpn?: string;
  readonly host?: string;
  readonly port?: number;
}

/** Starts it before the server at `target`. */
export async function startTlsFront(
  target: string,
  { cert, key, ca, alpn = "h2", host = "127.0.0.1", port = 0 }: TlsFrontOptions,
): Promise<TlsFront> {
  const { hostname, port: targetPort } = new URL(target);
  const clients: TlsFront["clients"][number][] = [];
  const sockets = new Set<TLSSocket>();
  const trust = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  const server = createServer({ cert, key, ...trust, ALPNProtocols: [alpn] }, (socket) => {
    // Without a certificate it is an empty object.
    const { subject } = socket.getPeerCertificate() as Partial<PeerCertificate>;
    clients.push({ name: subject?.CN as string | undefined, calledBy: socket.servername });
    const inner = connect(Number(targetPort), hostname);
    sockets.add(socket);
    for (const [one, other] of [
      [socket, inner],
      [inner, socket],
    ] as const) {
      one.pipe(other);
      one.on("error", () => undefined).once("close", () => other.destroy());
    }
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", () => undefined);
  server.listen(port, host);
  await once(server, "listening");
  function dropConnections(): void {
    for (const socket of sockets) socket.destroy();
  }

  const taken = (server.address() as AddressInfo).port;
  return {
    url: `https://${host}:${taken}`,
    port: taken,
    clients,
    dropConnections,
    async close() {
      const closed = once(server, "close");
      server.close();
      dropConnections();
      await closed;
    },
  };
}
