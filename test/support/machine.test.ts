import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { scaled, scaledSeconds, slowdown } from "./machine.ts";

describe("scaled", () => {
  it("is never less than on a machine with nothing else to do", () => {
    assert.ok(scaled(100) >= 100);
    assert.ok(Number(scaledSeconds(0.25)) >= 0.25);
  });

  it("grows while others want the processors", async () => {
    const busy = Array.from(
      { length: 4 * availableParallelism() },
      () => new Worker("for (;;);", { eval: true }),
    );
    while (slowdown() < 2) await new Promise(setImmediate);
    await Promise.all(busy.map((worker) => worker.terminate()));
  });
});
