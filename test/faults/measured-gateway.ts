import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { runGateway } from "../support/gateway-process.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import { adminToken } from "../support/gateway.ts";
import type { TestSettings } from "../support/gateway.ts";

/** A gateway in a process of its own, whose memory can be measured. */
export interface MeasuredGateway {
  readonly url: string;
  memory(): Promise<Memory>;
  close(): Promise<void>;
}

/** What a process has of the machine's memory, and what its objects hold after a garbage collection, in bytes. */
interface Memory {
  readonly resident: number;
  readonly held: number;
}

const preload = fileURLToPath(new URL("report-memory.ts", import.meta.url));

/**
 * Node's options for a gateway whose memory is measured by `memoryOf`. One thread collects the garbage: several take a
 * third more CPU in total.
 */
export const measuredArgv = ["--expose-gc", "--single-threaded-gc", "--import", preload];

/** Variables with which glibc gives freed memory back at once, so that what is resident is in use (mallopt(3)). */
export const unretainedMemory = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "16384",
  MALLOC_TRIM_THRESHOLD_: "0",
};

/** Measures the memory of a gateway that was started with `measuredArgv`. */
export async function memoryOf({ child, lines }: Pick<GatewayProcess, "child" | "lines">): Promise<Memory> {
  const reports = () => lines.filter(({ event }) => event === "test.memory");
  const before = reports().length;
  child.kill("SIGUSR2");
  while (reports().length === before) await once(child.stdout!, "data");
  const { resident, held } = reports().at(-1)!;
  return { resident: Number(resident), held: Number(held) };
}

/** Starts it on a free port, with these settings and `more` in its environment. */
export async function startMeasuredGateway(
  settings: TestSettings,
  more: Record<string, string> = {},
): Promise<MeasuredGateway> {
  const gateway = runGateway(
    { BIND_ADDR: "127.0.0.1:0", API_TOKEN: adminToken, ...settings },
    { more, execArgv: measuredArgv },
  );
  return {
    url: await gateway.started,
    memory: () => memoryOf(gateway),
    async close() {
      gateway.child.kill("SIGKILL");
      await gateway.ended;
    },
  };
}
