import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { imageFlags } from "../support/image-flags.ts";
import { residentBytes } from "../support/process-memory.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { amount } from "./amounts.ts";
import { load } from "./load.ts";
import { environmentOf, whenServing } from "./processes.ts";
import type { ServingProcess, ServingProgram } from "./processes.ts";
import type { Finding } from "./report.ts";
import { getOne, getOneWithKey, getPage, post, unauthenticated } from "./requests.ts";

const mebibyte = 1024 * 1024;

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const works = [getOne, getOneWithKey, post, getPage, unauthenticated];
const requests = amount(10_000, 8);
/** How long a process rests before its memory is read, in milliseconds. */
const restMs = amount(4000, 50);

/**
 * The resident memory of a gateway as the image starts it, from a compile cache and with no probe in it: idle since its
 * start, and after many requests of each kind. No findings without /proc.
 */
export async function measureResident(orchestrator: ServingProcess): Promise<Finding[]> {
  using cache = temporaryFolder();
  const start = () => startFromCache(orchestrator, cache.path);
  await (await start()).stop();
  const gateway = await start();
  try {
    const idle = await restingBytes(gateway);
    for (const work of works) await load(gateway.url, work, requests);
    const after = await restingBytes(gateway);
    if (idle === undefined || after === undefined) return [];
    return [
      { work: "MiB resident, idle", value: idle / mebibyte, limit: 90, detail: "since its start" },
      {
        work: "MiB resident, after the run",
        value: after / mebibyte,
        limit: 160,
        detail: `${works.length} kinds of requests, ${requests} of each`,
      },
    ];
  } finally {
    await gateway.stop();
  }
}

/** `stop` ends it gracefully: only then does Node write its compile cache. */
async function startFromCache(orchestrator: ServingProcess, cache: string): Promise<ServingProgram> {
  const settings = { ORCHESTRATOR_ENDPOINT: orchestrator.url, API_KEYS_ENABLED: "true" };
  const child = spawn(process.execPath, [...imageFlags(), main], {
    env: { ...environmentOf(settings), NODE_COMPILE_CACHE: cache },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const program = await whenServing(child, child.stdout, "the gateway");
  return {
    ...program,
    async stop() {
      const exit = once(child, "exit");
      child.kill("SIGINT");
      await exit;
    },
  };
}

async function restingBytes({ pid }: ServingProgram): Promise<number | undefined> {
  await delay(restMs);
  return residentBytes(pid);
}
