import { createFuzz } from "./fuzz.ts";
import type { Counts } from "./fuzz.ts";
import { leastMemoryInUse, startFuzzStack } from "./stack.ts";
import type { HealthWait } from "../support/health-watch.ts";
import { longestOf, readVitals, vitalBounds } from "./vitals.ts";

/**
 * Fuzzes a gateway for FUZZ_SECONDS (default 60) or until it has sent FUZZ_REQUESTS (default unlimited), beginning with
 * FUZZ_SEED (default random). Prints the number of requests by status, the longest wait for a health check, and the peak
 * of memory. Exits with 1 if a response was wrong, or if the wait or the memory exceeded its bound. FUZZ_WAIT_MS (default
 * 100) is the bound of the wait. Ctrl-C stops it early.
 */
const seconds = numberFrom("FUZZ_SECONDS", 60);
const maxRequests = numberFrom("FUZZ_REQUESTS", Infinity);
const firstSeed = numberFrom("FUZZ_SEED", Math.floor(Math.random() * 2 ** 31));

const waitMs = numberFrom("FUZZ_WAIT_MS", vitalBounds.waitMs);

/** Requests after which all caches are full. */
const warmUp = 4000;

/** The fewest requests by which growth of memory is judged, and the largest growth per request, in bytes. */
const minMeasured = 8000;
const maxGrowthBytes = 50;

/** Interval of progress messages, in milliseconds. */
const progressMs = 5000;

const stopping = new AbortController();
process.on("SIGINT", stop).on("SIGTERM", stop);

const stack = await startFuzzStack();
const fuzz = createFuzz(stack);
console.log(`fuzz: seed ${firstSeed}, for ${seconds} s`);
let warm: { readonly requests: number; readonly memory: number } | undefined;
const waits: HealthWait[] = [];
const failure = await runRounds();
if (failure === undefined && warm !== undefined) await judgeGrowth(warm);
fuzz.closeConnections();
waits.push(await stack.longestWait());
const vitals = { wait: longestOf(waits), peakResident: stack.peakResident() };
const exit = await stack.close();
console.log(summary(fuzz.counts));
const { lines, exceeded } = readVitals(vitals, { ...vitalBounds, waitMs });
for (const line of lines) console.log(`fuzz: ${line}`);
for (const line of exceeded) fail(line);
if (failure !== undefined) fail(failure);
if (exit !== "exit code 0") fail(`the gateway crashed: ${exit}`);

/** Runs rounds until one of the limits is reached. Returns the description of a failure, if any. */
async function runRounds(): Promise<string | undefined> {
  const start = performance.now();
  let lastProgress = start;
  for (
    let seed = firstSeed;
    !stopping.signal.aborted && fuzz.requests < maxRequests && performance.now() - start < seconds * 1000;
    seed += 1
  ) {
    const failed = await fuzz.round(seed);
    if (failed !== undefined) return failed;
    if (warm === undefined && fuzz.requests >= warmUp)
      warm = { requests: fuzz.requests, memory: await memoryInUse() };
    if (performance.now() - lastProgress < progressMs) continue;
    lastProgress = performance.now();
    console.log(
      `fuzz: ${fuzz.requests} requests in ${Math.round((lastProgress - start) / 1000)} s, without a failure`,
    );
  }
  return undefined;
}

/** The gateway's memory without that of the connections, whose number and buffers vary by several hundred kilobytes. */
async function memoryInUse(): Promise<number> {
  fuzz.closeConnections();
  waits.push(await stack.longestWait());
  const bytes = await leastMemoryInUse(stack);
  // Waits for the collections that the measurement forces are not counted.
  await stack.longestWait();
  return bytes;
}

/** Fails when each request since `before` has left too much in the gateway's memory. */
async function judgeGrowth(before: { readonly requests: number; readonly memory: number }): Promise<void> {
  const measured = fuzz.requests - before.requests;
  if (measured < minMeasured) return;
  const growth = ((await memoryInUse()) - before.memory) / measured;
  const line = `memory grew by ${growth.toFixed(1)} bytes per request, of ${maxGrowthBytes} allowed`;
  if (growth > maxGrowthBytes) fail(line);
  else console.log(`fuzz: ${line}`);
}

/** A line for each operation, with the number of requests by status. */
function summary(counts: Counts): string {
  const byOperation = Map.groupBy([...counts].sort(), ([key]) => key.slice(0, key.lastIndexOf(" ")));
  const lines = [...byOperation].map(([operation, own]) => {
    const statuses = own.map(([key, count]) => `${key.slice(key.lastIndexOf(" ") + 1)}: ${count}`);
    return `  ${operation.padEnd(22)}${statuses.join("  ")}`;
  });
  return [`fuzz: ${fuzz.requests} requests, ${fuzz.large} of them large`, ...lines].join("\n");
}

function numberFrom(name: string, fallback: number): number {
  const value = Number(process.env[name] || fallback);
  if (!(value >= 0)) {
    fail(`${name} must be a number`);
    process.exit();
  }
  return value;
}

function fail(message: string): void {
  console.error(`fuzz: ${message}`);
  process.exitCode = 1;
}

function stop() {
  if (stopping.signal.aborted) process.exit(1);
  stopping.abort();
}
