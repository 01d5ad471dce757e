import { connect as connectTcp, isIP } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** Connects to the origin of `endpoint`, http or https, for HTTP/2. */
export function connectSocket({ protocol, hostname, port }: URL): Socket {
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol === "http:") return connectTcp({ host, port: Number(port || 80) });
  const servername = isIP(host) === 0 ? host : "";
  return connectTls({ host, port: Number(port || 443), servername, ALPNProtocols: ["h2"] });
}
