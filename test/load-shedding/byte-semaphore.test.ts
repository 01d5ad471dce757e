import assert from "node:assert/strict";
import { ByteSemaphore } from "../../src/load-shedding/byte-semaphore.ts";

/** Runs everything that is ready to run. */
const turn = () => new Promise(setImmediate);

describe("ByteSemaphore", () => {
  /** A semaphore of 10 bytes, and a function that acquires some and notes the name then. */
  function start() {
    const memory = new ByteSemaphore(10);
    const granted: string[] = [];
    const wait = async (name: string, bytes: number) => {
      const lease = await memory.acquire(bytes);
      granted.push(name);
      return lease;
    };
    return { memory, granted, wait };
  }

  it("grants bytes up to its limit at once, and no more", () => {
    const { memory } = start();
    assert.ok(memory.tryAcquire(4));
    assert.ok(memory.tryAcquire(6));
    assert.equal(memory.tryAcquire(1), undefined);
    assert.ok(memory.tryAcquire(0));
    assert.deepEqual([memory.used, memory.limit, memory.firstWaiter], [10, 10, undefined]);
  });

  it("releases bytes once, however often the lease is resized to 0", () => {
    const { memory } = start();
    const lease = memory.tryAcquire(10);
    memory.tryAcquire(0);
    lease?.resize(3);
    assert.equal(memory.used, 3);
    lease?.resize(0);
    lease?.resize(0);
    assert.equal(memory.used, 0);
    assert.ok(memory.tryAcquire(10));
  });

  it("grants a request above the limit when nothing else is in use", async () => {
    const { memory, granted, wait } = start();
    const alone = memory.tryAcquire(11);
    assert.ok(alone);
    assert.equal(memory.tryAcquire(1), undefined);
    const next = wait("next", 50);
    alone.resize(1);
    await turn();
    assert.deepEqual(granted, []);
    alone.resize(0);
    assert.equal((await next, memory.used), 50);
  });

  it("grants in the order of the calls: a small request does not overtake a large one", async () => {
    const { memory, granted, wait } = start();
    const first = memory.tryAcquire(8)!;
    const all = [wait("large", 9), wait("small", 1), wait("other", 1)];
    await turn();
    assert.equal(memory.tryAcquire(1), undefined);
    assert.deepEqual(granted, []);
    first.resize(0);
    const [large] = await Promise.all(all.slice(0, 2));
    assert.deepEqual(granted, ["large", "small"]);
    assert.equal(memory.used, 10);
    large?.resize(0);
    await all[2];
    assert.deepEqual([granted.join(), memory.used], ["large,small,other", 2]);
  });

  it("alternates between owners, and serves each in the order of its calls", async () => {
    const { memory, granted } = start();
    const lease = memory.tryAcquire(10)!;
    const all = ["a1", "a2", "a3", "b1", "c1", "b2"].map(async (name) => {
      const own = await memory.acquire(10, { owner: name.slice(0, 1) });
      granted.push(name);
      own.resize(0);
    });
    lease.resize(0);
    await Promise.all(all);
    assert.equal(granted.join(), "a1,b1,c1,a2,b2,a3");
  });

  it("grants at once when bytes are free and nothing waits", async () => {
    const { memory, wait } = start();
    await wait("a", 10);
    assert.equal(memory.used, 10);
  });

  it("grants when a lease shrinks, not when it grows", async () => {
    const { memory, granted, wait } = start();
    const lease = memory.tryAcquire(9)!;
    const waiting = wait("a", 5);
    lease.resize(12);
    assert.equal(memory.used, 12);
    lease.resize(6);
    await turn();
    assert.deepEqual(granted, []);
    lease.resize(5);
    await waiting;
    assert.equal(memory.used, 10);
  });

  it("counts bytes added by use, and makes others wait until they are released", async () => {
    const { memory, granted, wait } = start();
    memory.use(25);
    assert.equal(memory.used, 25);
    assert.equal(memory.tryAcquire(1), undefined);
    const waiting = wait("a", 1);
    memory.use(-15);
    await turn();
    assert.deepEqual(granted, []);
    memory.use(-1);
    await waiting;
    assert.equal(memory.used, 10);
  });

  it("returns the first waiter and the time of its call", async () => {
    const { memory, wait } = start();
    const lease = memory.tryAcquire(10)!;
    const before = performance.now();
    const waiting = [wait("a", 3), wait("b", 4)];
    const first = memory.firstWaiter;
    assert.equal(first?.bytes, 3);
    assert.ok(first.since >= before && first.since <= performance.now());
    lease.resize(5);
    await waiting[0];
    assert.equal(memory.firstWaiter?.bytes, 4);
    lease.resize(0);
    await waiting[1];
    assert.equal(memory.firstWaiter, undefined);
  });

  it("rejects when the signal of a waiter aborts, and serves the waiters after it", async () => {
    const { memory, granted, wait } = start();
    memory.tryAcquire(9);
    const controller = new AbortController();
    const first = memory.acquire(5, controller);
    const second = wait("second", 1);
    await turn();
    assert.deepEqual(granted, []);
    controller.abort();
    await assert.rejects(first, /cancelled/);
    await second;
    assert.deepEqual([memory.used, memory.firstWaiter], [10, undefined]);
  });

  it("ignores a signal that aborts after the grant", async () => {
    const { memory } = start();
    const controller = new AbortController();
    const lease = await memory.acquire(10, controller);
    const next = memory.acquire(1);
    controller.abort();
    assert.deepEqual([memory.used, memory.firstWaiter?.bytes], [10, 1]);
    lease.resize(0);
    await next;
  });

  it("rejects when 1,024 of one owner wait, and accepts other owners", async () => {
    const { memory, granted, wait } = start();
    const lease = memory.tryAcquire(10)!;
    const waiting = Array.from({ length: 1024 }, () => memory.acquire(1, { owner: "a" }));
    await assert.rejects(memory.acquire(1, { owner: "a" }), /too many/);
    const other = wait("other", 1);
    lease.resize(0);
    await other;
    assert.deepEqual(granted, ["other"]);
    for (const own of waiting) void own.then((it) => it.resize(0));
    await Promise.all(waiting);
  });

  it("rejects when 1,024 without an owner wait", async () => {
    const { memory, granted, wait } = start();
    const lease = memory.tryAcquire(10)!;
    const waiting = Array.from({ length: 1024 }, async (_, index) => (await wait(`${index}`, 1)).resize(0));
    await assert.rejects(memory.acquire(1), /too many/);
    lease.resize(0);
    await Promise.all(waiting);
    assert.equal(granted.length, 1024);
    assert.equal(memory.used, 0);
    await memory.acquire(1);
  });
});
