import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { runGateway } from "../support/gateway-process.ts";
import { adminToken } from "../support/gateway.ts";
import type { TestSettings } from "../support/gateway.ts";

/** A gateway in a process of its own, whose memory can be measured. */
export interface MeasuredGateway {
  readonly url: string;
  /** What its process has of the machine's memory, and what its objects hold, in bytes. */
  memory(): Promise<{ resident: number; held: number }>;
  close(): Promise<void>;
}

const preload = fileURLToPath(new URL("report-memory.ts", import.meta.url));

/** Starts it on a free port, with these settings and `more` in its environment. */
export async function startMeasuredGateway(
  settings: TestSettings,
  more: Record<string, string> = {},
): Promise<MeasuredGateway> {
  const { child, started, ended, lines } = runGateway(
    { BIND_ADDR: "127.0.0.1:0", API_TOKEN: adminToken, ...settings },
    { more, execArgv: ["--expose-gc", "--import", preload] },
  );
  const reports = () => lines.filter(({ event }) => event === "test.memory");
  return {
    url: await started,
    async memory() {
      const before = reports().length;
      child.kill("SIGUSR2");
      while (reports().length === before) await once(child.stdout!, "data");
      const { resident, held } = reports().at(-1)!;
      return { resident: Number(resident), held: Number(held) };
    },
    async close() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
