import type { Attributes } from "@opentelemetry/api";
import { ATTR_SERVER_ADDRESS, ATTR_SERVER_PORT } from "@opentelemetry/semantic-conventions";

/** The attributes of the servers at `endpoints`; the port is left out unless it is the same for all. */
export function serverAddress(endpoints: readonly string[]): Attributes {
  const urls = endpoints.map((endpoint) => new URL(endpoint));
  const hosts = new Set(urls.map(({ hostname }) => hostname.replace(/^\[|\]$/g, "")));
  const ports = new Set(urls.map(({ protocol, port }) => Number(port || (protocol === "https:" ? 443 : 80))));
  return {
    [ATTR_SERVER_ADDRESS]: [...hosts].join(","),
    [ATTR_SERVER_PORT]: ports.size === 1 ? [...ports][0] : undefined,
  };
}
