import type { KeepaliveOptions } from "../../src/grpc/index.ts";
import type { DecodingClient } from "../support/orchestrator.ts";

/** The ids that `count` reads return, one after another: servers respond with their names. */
export async function readNames(client: DecodingClient, count: number): Promise<string> {
  let names = "";
  for (let i = 0; i < count; i++) names += (await client.getWorkflow({})).id;
  return names;
}

/** Names in alphabetical order. */
export function sorted(names: string): string {
  return names.split("").sort().join("");
}

/** A keepalive of the same time and timeout for calls and streams, in milliseconds. */
export function keepaliveOf(ms: number): KeepaliveOptions {
  const times = { timeMs: ms, timeoutMs: ms };
  return { calls: times, streams: times };
}
