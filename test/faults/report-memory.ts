import { setImmediate as turn } from "node:timers/promises";

/**
 * For a gateway's process, to be imported before its main: writes a line to its log that says what memory it has
 * whenever it gets a SIGUSR2. With `--expose-gc`, so that garbage does not count.
 */
async function reportMemory(): Promise<void> {
  // What objects hold outside the heap goes some time after them.
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.();
    await turn();
  }
  const { rss: resident, heapUsed, external } = process.memoryUsage();
  process.stdout.write(`${JSON.stringify({ event: "test.memory", resident, held: heapUsed + external })}\n`);
}

process.on("SIGUSR2", () => void reportMemory());
