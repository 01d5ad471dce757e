import { createFuzz } from "./fuzz.ts";
import type { Counts } from "./fuzz.ts";
import { startFuzzStack } from "./stack.ts";
import { readVitals, vitalBounds } from "./vitals.ts";

/**
 * Fuzzes a gateway for FUZZ_SECONDS (60 unless set), from FUZZ_SEED on where that is set, and tells how many
 * requests got which status, how long the gateway's health was waited for at worst, and how much memory it had. Exits
 * with 1 when an answer was not right, or one of those is beyond its bound; Ctrl-C ends it early. FUZZ_WAIT_MS is the
 * bound of the wait (100 unless set).
 */
const seconds = numberFrom("FUZZ_SECONDS", 60);
const firstSeed = numberFrom("FUZZ_SEED", Math.floor(Math.random() * 2 ** 31));

const waitMs = numberFrom("FUZZ_WAIT_MS", vitalBounds.waitMs);

/** How often it tells how far it has come, in milliseconds. */
const tellMs = 5000;

const stopping = new AbortController();
process.on("SIGINT", stop).on("SIGTERM", stop);

const stack = await startFuzzStack();
const fuzz = createFuzz(stack);
console.log(`fuzz: seed ${firstSeed}, for ${seconds} s`);
const failure = await runRounds();
fuzz.close();
const vitals = { wait: await stack.longestWait(), peakResident: stack.peakResident() };
const ending = await stack.close();
console.log(summary(fuzz.counts));
const { lines, beyond } = readVitals(vitals, { ...vitalBounds, waitMs });
for (const line of lines) console.log(`fuzz: ${line}`);
for (const line of beyond) fail(line);
if (failure !== undefined) fail(failure);
if (ending !== "exit code 0") fail(`the gateway died: ${ending}`);

/** Runs round after round until the time is over; what failed, if anything did. */
async function runRounds(): Promise<string | undefined> {
  const start = performance.now();
  let told = start;
  for (
    let seed = firstSeed;
    !stopping.signal.aborted && performance.now() - start < seconds * 1000;
    seed += 1
  ) {
    const failed = await fuzz.round(seed);
    if (failed !== undefined) return failed;
    if (performance.now() - told < tellMs) continue;
    told = performance.now();
    console.log(
      `fuzz: ${fuzz.requests} requests in ${Math.round((told - start) / 1000)} s, all as they should be`,
    );
  }
  return undefined;
}

/** A line for each operation: its statuses, with how many requests got them. */
function summary(counts: Counts): string {
  const byOperation = Map.groupBy([...counts].sort(), ([key]) => key.slice(0, key.lastIndexOf(" ")));
  const lines = [...byOperation].map(([operation, own]) => {
    const statuses = own.map(([key, count]) => `${key.slice(key.lastIndexOf(" ") + 1)}: ${count}`);
    return `  ${operation.padEnd(22)}${statuses.join("  ")}`;
  });
  return [`fuzz: ${fuzz.requests} requests`, ...lines].join("\n");
}

function numberFrom(name: string, otherwise: number): number {
  const value = Number(process.env[name] || otherwise);
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
