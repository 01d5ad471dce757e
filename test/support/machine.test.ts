import assert from "node:assert/strict";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { scaled, scaledSeconds, slowdown } from "./machine.ts";

describe("scaled", () => {
  it("is never less than on a machine with nothing else to do", () => {
    assert.ok(scaled(100) >= 100);
    assert.ok(Number(scaledSeconds(0.25)) >= 0.25);
  });

  it("grows while others want the processors", async () => {
    const busy: Worker[] = [];
    // One more at a time, as few as suffice: other tests run meanwhile.
    do {
      const worker = new Worker("for (;;);", { eval: true });
      await once(worker, "online");
      busy.push(worker);
    } while (slowdown() < 2);
    await Promise.all(busy.map((worker) => worker.terminate()));
  });
});
