import type { Attributes } from "@opentelemetry/api";
import { ATTR_SERVER_ADDRESS, ATTR_SERVER_PORT } from "@opentelemetry/semantic-conventions";

/** Where the servers at `endpoints` are, of which any may be called; the port, where they have the same. */
export function serverAddress(endpoints: readonly string[]): Attributes {
  const urls = endpoints.map((endpoint) => new URL(endpoint));
  const hosts = new Set(urls.map(({ hostname }) => hostname.replace(/^\[|\]$/g, "")));
  const ports = new Set(urls.map(portOf));
  return {
    [ATTR_SERVER_ADDRESS]: [...hosts].join(","),
    [ATTR_SERVER_PORT]: ports.size === 1 ? [...ports][0] : undefined,
  };
}

function portOf({ port, protocol }: URL): number {
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}
