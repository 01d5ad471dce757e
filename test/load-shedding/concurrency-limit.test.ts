import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createConcurrencyLimit } from "../../src/load-shedding/concurrency-limit.ts";

describe("createConcurrencyLimit", () => {
  let time = 0;
  const limitOf = (max: number) => createConcurrencyLimit(max, () => time);

  /** Makes a iteration of the event loop that reads the limit take so many milliseconds. */
  async function iteration(limit: () => number, ms: number): Promise<number> {
    limit();
    limit();
    time += ms;
    await nextTurn();
    return limit();
  }

  it("starts at the maximum and stays there while no iteration is late", async () => {
    const limit = limitOf(100);
    assert.equal(limit(), 100);
    for (const ms of [0, 25, 1]) assert.equal(await iteration(limit, ms), 100);
  });

  it("falls by a tenth with each late iteration, down to 64", async () => {
    const limit = limitOf(80);
    for (const expected of [72, 64.8, 64, 64]) assert.equal(await iteration(limit, 26), expected);
  });

  it("rises by one with each other iteration, up to the maximum", async () => {
    const limit = limitOf(100);
    assert.equal(await iteration(limit, 26), 90);
    assert.equal(await iteration(limit, 25), 91);
    for (let i = 0; i < 20; i++) await iteration(limit, 1);
    assert.equal(limit(), 100);
  });

  it("rises by one with each ten milliseconds without requests", async () => {
    const limit = limitOf(100);
    for (let i = 0; i < 9; i++) await iteration(limit, 26);
    await nextTurn();
    time += 50;
    // One for the iteration that read the limit last.
    assert.equal(limit(), 64 + 1 + 5);
    await nextTurn();
    time += 1000;
    assert.equal(limit(), 100);
  });

  it("stays at a maximum below 64", async () => {
    const limit = limitOf(2);
    assert.equal(await iteration(limit, 1000), 2);
  });
});
