import assert from "node:assert/strict";
import { FairQueue } from "../../src/load-shedding/fair-queue.ts";

describe("FairQueue", () => {
  /** A queue with these items, whose first letter is their owner. */
  function queueOf(...items: readonly string[]): FairQueue<string> {
    const queue = new FairQueue<string>();
    for (const item of items) queue.push(item.slice(0, 1), item);
    return queue;
  }

  /** Removes the first item and charges its cost. */
  function take(queue: FairQueue<string>, cost = 1): string | undefined {
    const { first } = queue;
    if (first === undefined) return undefined;
    queue.spend(first.owner, cost);
    queue.remove(first.owner, first.item);
    return first.item;
  }

  function drain(queue: FairQueue<string>, costOf = (_item: string) => 1): string {
    const taken: string[] = [];
    for (let { first } = queue; first !== undefined; { first } = queue) {
      taken.push(first.item);
      take(queue, costOf(first.item));
    }
    return taken.join();
  }

  it("alternates between owners, and keeps the order within one", () => {
    assert.equal(drain(queueOf("a1", "a2", "a3", "b1", "c1", "c2")), "a1,b1,c1,a2,c2,a3");
  });

  it("prefers the owner that has spent less", () => {
    const queue = queueOf("a1", "a2", "b1", "b2", "b3", "b4");
    assert.equal(
      drain(queue, (item) => (item.startsWith("a") ? 3 : 1)),
      "a1,b1,b2,b3,a2,b4",
    );
  });

  it("serves a new owner before the next turn of another, once", () => {
    const queue = queueOf("a1", "a2", "a3", "a4");
    assert.deepEqual([take(queue, 5), take(queue, 5)], ["a1", "a2"]);
    for (const item of ["b1", "b2"]) queue.push("b", item);
    assert.equal(
      drain(queue, () => 5),
      "b1,a3,b2,a4",
    );
  });

  it("does not prefer an owner that returns after each of its turns", () => {
    const queue = queueOf("b1", "b2", "b3");
    const taken: (string | undefined)[] = [];
    for (let turn = 0; turn < 12; turn += 1) {
      // It has one item at a time.
      if (turn === 0 || taken.at(-1) === "a") queue.push("a", "a");
      taken.push(take(queue, queue.first?.owner === "b" ? 3 : 1));
    }
    assert.equal(taken.join(), "b1,a,a,a,b2,a,a,a,b3,a,a,a");
  });

  it("treats items without an owner as those of one owner", () => {
    const queue = queueOf("a1", "a2");
    queue.push(undefined, "-1");
    queue.push(undefined, "-2");
    assert.equal(drain(queue), "a1,-1,a2,-2");
  });

  it("alternates between owners whose items stay", () => {
    const queue = queueOf("a1", "b1");
    const next = () => queue.first?.item;
    const order = [next()];
    for (const [owner, cost] of [
      ["a", 1],
      ["b", 2],
      ["a", 1],
      ["a", 1],
    ] as const) {
      queue.spend(owner, cost);
      order.push(next());
    }
    assert.deepEqual([order.join(), queue.length], ["a1,b1,a1,a1,b1", 2]);
  });

  it("removes an item, and ignores one that does not wait", () => {
    const queue = queueOf("a1", "a2", "b1");
    queue.remove("a", "a1");
    queue.remove("a", "a1");
    queue.remove("c", "c1");
    queue.spend("c", 1);
    assert.deepEqual([queue.length, queue.first?.item], [2, "a2"]);
    queue.remove("a", "a2");
    assert.deepEqual([queue.length, queue.first], [1, { owner: "b", item: "b1" }]);
    queue.remove("b", "b1");
    assert.deepEqual([queue.length, queue.first], [0, undefined]);
  });
});
