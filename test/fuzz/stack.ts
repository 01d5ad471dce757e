import { fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { startEncodedUpstream } from "../support/encoded-upstream.ts";
import { environment, withoutCoverage } from "../support/environment.ts";
import { watchHealth } from "../support/health-watch.ts";
import type { HealthWait } from "../support/health-watch.ts";
import { startStripeServer } from "../../src/sandbox/stripe/stripe-server.ts";
import { imageFlags } from "../support/image-flags.ts";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { peakResidentBytes } from "../support/process-memory.ts";
import { stripeSettings, webhookSecret } from "../support/stripe.ts";
import { worstBody, worstKinds } from "../support/worst-workflows.ts";
import type { KnownValues } from "./valid-parts.ts";
import { WireClient } from "./client.ts";
import { fakeOrchestrator } from "./fake-orchestrator.ts";
import { vitalBounds } from "./vitals.ts";

/** A gateway in a process of its own. All services behind it work. */
export interface FuzzStack {
  readonly url: string;
  readonly known: KnownValues;
  /** The gateway's memory in use after a garbage collection, without compiled code, in bytes. */
  memoryInUse(): Promise<number>;
  /** The longest wait for a health check since the start. */
  longestWait(): Promise<HealthWait>;
  /** The gateway's peak of resident memory, in bytes; undefined if the system does not report it. */
  peakResident(): number | undefined;
  /** The last failure in the log of the gateway. */
  lastFailure(): string | undefined;
  /** Stops everything. Returns how the gateway exited: `exit code 0` unless it has crashed. */
  close(): Promise<string>;
}

const artifactKeys = ["artifacts/a.pdb", "b c/ü%2F+&?.cif", "c".repeat(1024)];
const pageFiles = ["page.css", "page.js", "theme.js"];
const adminToken = "the-token-of-the-fuzz";
const apiKey = "ff_an-api-key~of+the/fuzz=";
const principal = "alice";

/** The memory limit of the gateway: the bound of `make fuzz`. */
const containerBytes = vitalBounds.residentBytes;

export async function startFuzzStack(): Promise<FuzzStack> {
  const bytes = Buffer.alloc(100, "ATOM ");
  const largeBodies = Object.fromEntries(worstKinds.map((kind) => [`large-${kind}`, worstBody(kind)]));
  const orchestrator = await startEncodedUpstream(
    fakeOrchestrator({ artifactKeys, bytes, apiKey, principal, largeBodies }),
  );
  const store = await startTestStore();
  store.respond = serveBytes(bytes);
  const addr = { host: "127.0.0.1", port: 0 };
  // Nobody pays, so it sends no events.
  const stripe = await startStripeServer({ addr, webhookUrl: "http://127.0.0.1:1", webhookSecret });
  const gateway = await forkGateway({
    BIND_ADDR: "127.0.0.1:0",
    API_TOKEN: adminToken,
    API_KEYS_ENABLED: "true",
    // Small, so that the cache fills early and does not affect the measured growth of memory.
    AUTH_CACHE_MAX_ENTRIES: "10",
    ORCHESTRATOR_ENDPOINT: orchestrator.url,
    // A slow machine takes long for large messages, and the orchestrator shares a thread with those who read them.
    ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "60",
    ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS: "60",
    ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS: "60",
    DRAIN_DELAY_SECONDS: "0",
    SHUTDOWN_GRACE_SECONDS: "1",
    ...storeSettings(store),
    ...stripeSettings(stripe.url),
  });
  const health = watchHealth(gateway.url, gateway.pid);
  return {
    ...gateway,
    known: { artifactKeys, pageFiles, adminToken, apiKey, principal, webhookSecret, largeBodies },
    longestWait: () => health.longest(),
    peakResident: () => peakResidentBytes(gateway.pid),
    async close() {
      await health.close();
      const exit = await gateway.stop();
      await orchestrator.close();
      await store.close();
      await stripe.close();
      return exit;
    },
  };
}

/** The least memory in use of five measurements, each after small requests have replaced the last large ones. */
export async function leastMemoryInUse({ url, known, memoryInUse }: FuzzStack): Promise<number> {
  const client = new WireClient(url);
  const headers = [
    ["Host", "gateway"],
    ["Authorization", `Bearer ${known.adminToken}`],
  ] as const;
  const request = { method: "GET", target: "/v1/workflows/w1", version: "HTTP/1.1", headers };
  const measurements: number[] = [];
  while (measurements.length < 5) {
    for (let count = 0; count < 100; count += 1) await client.send(request);
    measurements.push(await memoryInUse());
  }
  client.close();
  return Math.min(...measurements);
}

/** Runs `src/main.ts` with the probe. Keeps only the last failure of its log. */
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
    // Ctrl-C must reach only the fuzz, which then stops the gateway gracefully.
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
    // A child that has written a line has a process id.
    pid: child.pid!,
    lastFailure: () => lastFailure,
    async memoryInUse() {
      const reply = once(child, "message");
      child.send("memory");
      const result = await Promise.race([reply, ended]);
      if (typeof result === "string") throw new Error(`the gateway has ended: ${result}`);
      const [{ bytes }] = result as [{ bytes: number }];
      return bytes;
    },
    async stop() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}
