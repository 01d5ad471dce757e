import { connect as connectTcp, isIP } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { hostOf } from "./address.ts";
import type { GrpcTarget } from "./address.ts";

/** Connects to a target for HTTP/2, by TLS where its endpoint is https. */
export function connectSocket({ endpoint, host, port, secureContext }: GrpcTarget): Socket {
  if (endpoint.protocol === "http:") return connectTcp({ host, port });
  const name = hostOf(endpoint);
  return connectTls({
    host,
    port,
    // Certificates are for the name, whatever address it stands for.
    servername: isIP(name) === 0 ? name : "",
    ALPNProtocols: ["h2"],
    ...(secureContext === undefined ? {} : { secureContext: secureContext() }),
  });
}
