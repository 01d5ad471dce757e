import assert from "node:assert/strict";
import { Semaphore } from "../../src/load-shedding/semaphore.ts";

describe("Places", () => {
  it("has as many as the limit says at the time, and gives them free", () => {
    let limit = 2;
    const places = new Semaphore(() => limit);
    assert.deepEqual([places.tryAcquire(), places.tryAcquire(), places.tryAcquire()], [true, true, false]);
    limit = 3;
    assert.deepEqual([places.tryAcquire(), places.tryAcquire()], [true, false]);
    limit = 1;
    places.release();
    places.release();
    assert.equal(places.tryAcquire(), false);
    places.release();
    assert.equal(places.tryAcquire(), true);
  });

  it("gives those that become free to who waits, in the order of asking, before anybody new", async () => {
    let limit = 1;
    const places = new Semaphore(() => limit);
    const came: string[] = [];
    const asked = ["a", "b", "c", "d"].map(async (name) => {
      await places.acquire();
      came.push(name);
    });
    await asked[0];
    assert.deepEqual(came, ["a"]);
    places.release();
    assert.equal(places.tryAcquire(), false);
    await asked[1];
    assert.deepEqual(came, ["a", "b"]);
    limit = 2;
    assert.equal(places.tryAcquire(), false);
    await asked[2];
    assert.deepEqual(came, ["a", "b", "c"]);
    limit = 3;
    let isLast = false;
    const last = places.acquire().then(() => (isLast = true));
    await asked[3];
    assert.ok(!isLast);
    places.release();
    await last;
    assert.deepEqual(came, ["a", "b", "c", "d"]);
  });
});
