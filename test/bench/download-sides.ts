import type { Source } from "./download-client.ts";
import { keyOf } from "./download-objects.ts";
import type { Kind } from "./download-objects.ts";
import { workflow } from "./messages.ts";
import { adminToken, startGateway, startProcess } from "./processes.ts";
import type { ServingProcess } from "./processes.ts";

/** A process that serves the stored objects. */
export interface Side {
  readonly server: ServingProcess;
  source(kind: Kind, mebibytes: number): Source;
}

/** A gateway's settings, by their names without the prefix. */
export type Settings = Readonly<Record<string, string>>;

/** Starts a gateway that serves the outputs of the one workflow. */
export async function startGatewaySide(settings: Settings): Promise<Side> {
  const server = await startGateway(settings);
  const base = `${server.url}/v1/workflows/${workflow.id}/artifacts`;
  const headers = { Authorization: `Bearer ${adminToken}` };
  return { server, source: (kind, mebibytes) => ({ url: `${base}/${keyOf(kind, mebibytes)}`, headers }) };
}

/** Starts the bare pipeline of the same bodies. */
export async function startFloorSide(store: ServingProcess): Promise<Side> {
  const server = await startProcess("download-floor.ts", [store.url]);
  return { server, source: (kind, mebibytes) => ({ url: `${server.url}/${keyOf(kind, mebibytes)}` }) };
}
