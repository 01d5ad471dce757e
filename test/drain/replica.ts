import { runGateway } from "../support/gateway-process.ts";
import type { ProcessExit } from "../support/gateway-process.ts";
import type { TestSettings } from "../support/gateway.ts";

/** One of several gateways, as a process that can be replaced by the next one on the same port. */
export interface Replica {
  readonly name: string;
  readonly url: string;
  /** Ends it as a supervisor does, and starts it again; resolves, with how it ended, once the next one serves. */
  restart(): Promise<ProcessExit & { readonly tookMs: number }>;
  close(): Promise<void>;
}

/** Starts it on a free port. */
export async function startReplica(name: string, settings: TestSettings): Promise<Replica> {
  let current = runGateway({ ...settings, BIND_ADDR: "127.0.0.1:0" });
  const url = await current.started;

  return {
    name,
    url,
    async restart() {
      const begin = performance.now();
      current.child.kill("SIGTERM");
      const ending = await current.ended;
      const tookMs = performance.now() - begin;
      current = runGateway({ ...settings, BIND_ADDR: new URL(url).host });
      await current.started;
      return { ...ending, tookMs };
    },
    async close() {
      current.child.kill("SIGINT");
      await current.ended;
    },
  };
}
