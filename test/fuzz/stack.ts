import { fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { startEncodedUpstream } from "../support/encoded-upstream.ts";
import { environment, withoutCoverage } from "../support/environment.ts";
import { watchHealth } from "../support/health-watch.ts";
import type { HealthWait } from "../support/health-watch.ts";
import { imageFlags } from "../support/image-flags.ts";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { peakResidentBytes } from "../support/process-memory.ts";
import { worstBody, worstKinds } from "../support/worst-workflows.ts";
import type { Known } from "./sound-parts.ts";
import { soundUpstream } from "./sound-upstream.ts";
import { vitalBounds } from "./vitals.ts";

/** A gateway in a process of its own, with everything behind it sound. */
export interface FuzzStack {
  readonly url: string;
  readonly known: Known;
  /** The memory of the gateway that is in use after a collection, in bytes; compiled code does not count. */
  memoryInUse(): Promise<number>;
  /** The longest waits for the gateway's health since it started. */
  longestWait(): Promise<HealthWait>;
  /** The most resident memory that the gateway has had, in bytes; undefined where the system does not tell. */
  peakResident(): number | undefined;
  /** The last failure that the gateway has logged. */
  lastFailure(): string | undefined;
  /** Stops everything; how the gateway ended, which is `exit code 0` unless it died before. */
  close(): Promise<string>;
}

const artifactKeys = ["artifacts/a.pdb", "b c/ü%2F+&?.cif", "c".repeat(1024)];
const pageFiles = ["page.css", "page.js", "swagger-ui.css"];
const adminToken = "the-token-of-the-fuzz";
const apiKey = "ff_an-api-key~of+the/fuzz=";

/** What the gateway's memory is made for: the bound of `make fuzz`. */
const containerBytes = vitalBounds.residentBytes;

/** Starts it. */
export async function startFuzzStack(): Promise<FuzzStack> {
  const bytes = Buffer.alloc(100, "ATOM ");
  const largeBodies = Object.fromEntries(worstKinds.map((kind) => [`large-${kind}`, worstBody(kind)]));
  const orchestrator = await startEncodedUpstream(
    soundUpstream({ artifactKeys, bytes, apiKey, largeBodies }),
  );
  const store = await startTestStore();
  store.respond = serveBytes(bytes);
  const gateway = await forkGateway({
    BIND_ADDR: "127.0.0.1:0",
    API_TOKEN: adminToken,
    API_KEYS_ENABLED: "true",
    // Small, so that it is full early, and memory says something about all else.
    AUTH_CACHE_MAX_ENTRIES: "10",
    ORCHESTRATOR_ENDPOINT: orchestrator.url,
    // Longer than a slow machine takes for large messages.
    ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "60",
    DRAIN_DELAY_SECONDS: "0",
    SHUTDOWN_GRACE_SECONDS: "1",
    ...storeSettings(store),
  });
  const health = watchHealth(gateway.url, gateway.pid);
  return {
    ...gateway,
    known: { artifactKeys, pageFiles, adminToken, apiKey, largeBodies },
    longestWait: () => health.longest(),
    peakResident: () => peakResidentBytes(gateway.pid),
    async close() {
      await health.close();
      const how = await gateway.stop();
      await orchestrator.close();
      await store.close();
      return how;
    },
  };
}

/** Runs `src/main.ts` with the probe in it. Of its log no more is kept than the last failure. */
async function forkGateway(settings: Readonly<Record<string, string>>) {
  const child = fork(new URL("../../src/main.ts", import.meta.url), {
    env: { ...withoutCoverage, ...environment(settings) },
    execArgv: [
      ...imageFlags(containerBytes),
      "--expose-gc",
      "--no-flush-bytecode",
      `--import=${new URL("probe.ts", import.meta.url).href}`,
    ],
    stdio: ["ignore", "pipe", "inherit", "ipc"],
    // Ctrl-C is for the fuzz, which stops the gateway in order.
    detached: true,
  });
  const ended = once(child, "exit").then(([code, signal]) => `${signal ?? `exit code ${code}`}`);
  const started = Promise.withResolvers<string>();
  let lastFailure: string | undefined;
  createInterface(child.stdout!).on("line", (line) => {
    if (line.includes('"gateway.started"')) started.resolve((JSON.parse(line) as { url: string }).url);
    else if (line.includes('"request.failed"')) lastFailure = line;
  });
  void ended.then((how) => started.reject(new Error(`the gateway ended before it served: ${how}`)));
  return {
    url: await started.promise,
    // A child that has written a line was spawned.
    pid: child.pid!,
    lastFailure: () => lastFailure,
    async memoryInUse() {
      const answer = once(child, "message");
      child.send("memory");
      const said = await Promise.race([answer, ended]);
      if (typeof said === "string") throw new Error(`the gateway has ended: ${said}`);
      const [{ bytes }] = said as [{ bytes: number }];
      return bytes;
    },
    async stop() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}
