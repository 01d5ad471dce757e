import type { Attributes } from "@opentelemetry/api";
import { ATTR_SERVER_ADDRESS, ATTR_SERVER_PORT } from "@opentelemetry/semantic-conventions";
import { targetOf } from "../grpc/index.ts";

/** Where the servers at `endpoints` are, of which any may be called; the port, where they have the same. */
export function serverAddress(endpoints: readonly string[]): Attributes {
  const targets = endpoints.map((endpoint) => targetOf(new URL(endpoint)));
  const hosts = new Set(targets.map(({ host }) => host));
  const ports = new Set(targets.map(({ port }) => port));
  return {
    [ATTR_SERVER_ADDRESS]: [...hosts].join(","),
    [ATTR_SERVER_PORT]: ports.size === 1 ? [...ports][0] : undefined,
  };
}
