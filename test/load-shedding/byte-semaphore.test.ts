import assert from "node:assert/strict";
import { ByteSemaphore } from "../../src/load-shedding/byte-semaphore.ts";

/** Lets everything run that waits for nothing but its turn. */
const turn = () => new Promise(setImmediate);

describe("ByteSemaphore", () => {
  /** One of 10 bytes, and a way to wait for some whose name is noted once they are there. */
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

  it("gives bytes up to its limit at once, and no more", () => {
    const { memory } = start();
    assert.ok(memory.tryAcquire(4));
    assert.ok(memory.tryAcquire(6));
    assert.equal(memory.tryAcquire(1), undefined);
    assert.ok(memory.tryAcquire(0));
    assert.deepEqual([memory.used, memory.limit, memory.firstWaiter], [10, 10, undefined]);
  });

  it("takes bytes back once, however often they are released", () => {
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

  it("gives one that is larger than the limit all there is, alone", async () => {
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

  it("grants in the order of asking: a small one does not overtake a large one", async () => {
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

  it("grants to one owner after another, and to each in the order of asking", async () => {
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

  it("grants at once where there is room and nobody waits", async () => {
    const { memory, wait } = start();
    await wait("a", 10);
    assert.equal(memory.used, 10);
  });

  it("grants when a lease shrinks, and does not when one grows", async () => {
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

  it("counts bytes that are used without asking, and has others wait until they are gone", async () => {
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

  it("tells whose turn it is, and since when that one waits", async () => {
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

  it("rejects who leaves while it waits, and grants to those behind it", async () => {
    const { memory, granted, wait } = start();
    memory.tryAcquire(9);
    const leaving = new AbortController();
    const first = memory.acquire(5, leaving);
    const second = wait("second", 1);
    await turn();
    assert.deepEqual(granted, []);
    leaving.abort();
    await assert.rejects(first, /nobody waits/);
    await second;
    assert.deepEqual([memory.used, memory.firstWaiter], [10, undefined]);
  });

  it("is not told of who leaves later", async () => {
    const { memory } = start();
    const leaving = new AbortController();
    const lease = await memory.acquire(10, leaving);
    const next = memory.acquire(1);
    leaving.abort();
    assert.deepEqual([memory.used, memory.firstWaiter?.bytes], [10, 1]);
    lease.resize(0);
    await next;
  });

  it("lets others wait where 1,024 of one owner do", async () => {
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

  it("rejects once 1,024 wait", async () => {
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
