import assert from "node:assert/strict";
import { suite } from "../support/gateway.ts";
import { readContract } from "./contract.ts";
import { createFuzz } from "./fuzz.ts";
import { leastMemoryInUse, startFuzzStack } from "./stack.ts";
import { readVitals } from "./vitals.ts";

/** The seed of the first round. Each round uses the next one. */
const seed = 20_000;

/** Requests after which all caches are full. */
const warmUp = 1500;

/** Requests whose memory is measured. */
const measured = 2500;

/** The largest growth of memory per request, in bytes. `make fuzz`, which sends more requests, allows less. */
const maxGrowthBytes = 300;

/** Generous, since the machine of a test may be slow. */
const bounds = { waitMs: 1000, residentBytes: 768 * 1024 * 1024 };

describe("createFuzz", () => {
  const here = suite(async () => {
    const stack = await startFuzzStack();
    const fuzz = createFuzz(stack);
    let nextSeed = seed;
    return {
      stack,
      fuzz,
      async run(requests: number) {
        const end = fuzz.requests + requests;
        while (fuzz.requests < end) {
          const failure = await fuzz.round(nextSeed);
          if (failure !== undefined) assert.fail(failure);
          nextSeed += 1;
        }
      },
      async close() {
        fuzz.close();
        assert.equal(await stack.close(), "exit code 0", "the process has not crashed");
      },
    };
  });

  it(`responds to ${warmUp + measured} generated requests (seed ${seed}) by the contract, without growing`, async () => {
    await here().run(warmUp);
    const before = await leastMemoryInUse(here().stack);
    await here().run(measured);
    const growth = (await leastMemoryInUse(here().stack)) - before;
    assert.ok(growth < maxGrowthBytes * measured, `memory has grown by ${growth} bytes`);
  });

  it("has received requests of each operation that succeed and that fail", () => {
    const { counts } = here().fuzz;
    const sent = (id: string, status: RegExp) =>
      [...counts].some(([key, count]) => key.startsWith(`${id} `) && status.test(key) && count > 10);
    for (const { id } of readContract().operations) {
      assert.ok(sent(id, / 2..$/), `${id} has succeeded`);
      assert.ok(sent(id, / 4..$/), `${id} has been rejected`);
    }
  });

  it("has received large requests, and clients have disconnected", () => {
    const { counts } = here().fuzz;
    const disconnected = [...counts].filter(([key]) => key.endsWith(" disconnected"));
    assert.ok(disconnected.length > 2, "clients of several operations have disconnected");
    assert.ok(here().fuzz.large > 3, "there were large requests");
  });

  it("has responded to health checks in time, with bounded memory", async () => {
    const { stack } = here();
    const vitals = { wait: await stack.longestWait(), peakResident: stack.peakResident() };
    assert.deepEqual(readVitals(vitals, bounds).exceeded, []);
  });
});
