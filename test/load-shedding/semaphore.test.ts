import assert from "node:assert/strict";
import { Semaphore } from "../../src/load-shedding/semaphore.ts";

describe("Semaphore", () => {
  it("has as many permits as the limit at the time", () => {
    let limit = 2;
    const semaphore = new Semaphore(() => limit);
    assert.deepEqual(
      [semaphore.tryAcquire(), semaphore.tryAcquire(), semaphore.tryAcquire()],
      [true, true, false],
    );
    limit = 3;
    assert.deepEqual([semaphore.tryAcquire(), semaphore.tryAcquire()], [true, false]);
    limit = 1;
    semaphore.release();
    semaphore.release();
    assert.equal(semaphore.tryAcquire(), false);
    semaphore.release();
    assert.equal(semaphore.tryAcquire(), true);
  });

  it("serves waiters in the order of their calls, before new callers", async () => {
    let limit = 1;
    const semaphore = new Semaphore(() => limit);
    const acquired: string[] = [];
    const waits = ["a", "b", "c", "d"].map(async (name) => {
      await semaphore.acquire();
      acquired.push(name);
    });
    await waits[0];
    assert.deepEqual(acquired, ["a"]);
    semaphore.release();
    assert.equal(semaphore.tryAcquire(), false);
    await waits[1];
    assert.deepEqual(acquired, ["a", "b"]);
    limit = 2;
    assert.equal(semaphore.tryAcquire(), false);
    await waits[2];
    assert.deepEqual(acquired, ["a", "b", "c"]);
    limit = 3;
    let isLast = false;
    const last = semaphore.acquire().then(() => (isLast = true));
    await waits[3];
    assert.ok(!isLast);
    semaphore.release();
    await last;
    assert.deepEqual(acquired, ["a", "b", "c", "d"]);
  });
});
