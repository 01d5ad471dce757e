import assert from "node:assert/strict";
import { suite } from "../support/gateway.ts";
import { readContract } from "./contract.ts";
import { createFuzz } from "./fuzz.ts";
import { startFuzzStack } from "./stack.ts";
import { WireClient } from "./client.ts";
import { readVitals } from "./vitals.ts";

/** The seed of the first round. Each round uses the next one. */
const seed = 20_000;

/** Requests after which all code is compiled, and all caches are full. */
const warmUp = 4000;

/** Requests during which memory must not grow. */
const measured = 16_000;

/** Largest growth of memory, in bytes: 50 per request. */
const maxGrowth = 50 * measured;

/** Generous, since the machine of a test may be slow. */
const bounds = { waitMs: 1000, residentBytes: 768 * 1024 * 1024 };

describe("the gateway under fuzz", () => {
  const here = suite(async () => {
    const stack = await startFuzzStack();
    const fuzz = createFuzz(stack);
    const client = new WireClient(stack.url);
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
      /** The least memory in use of three measurements, each after small requests have replaced the last large ones. */
      async memoryInUse() {
        const headers = [
          ["Host", "gateway"],
          ["Authorization", `Bearer ${stack.known.adminToken}`],
        ] as const;
        const request = { method: "GET", target: "/v1/workflows/w1", version: "HTTP/1.1", headers };
        const measurements: number[] = [];
        while (measurements.length < 3) {
          for (let count = 0; count < 100; count += 1) await client.send(request);
          measurements.push(await stack.memoryInUse());
        }
        return Math.min(...measurements);
      },
      async close() {
        fuzz.close();
        client.close();
        assert.equal(await stack.close(), "exit code 0", "the process has not crashed");
      },
    };
  });

  it(`responds to ${warmUp + measured} generated requests (seed ${seed}) by the contract, without growing`, async () => {
    await here().run(warmUp);
    const before = await here().memoryInUse();
    await here().run(measured);
    const growth = (await here().memoryInUse()) - before;
    assert.ok(growth < maxGrowth, `memory has grown by ${growth} bytes`);
  });

  it("has received requests of each operation that succeed and that fail", () => {
    const { counts } = here().fuzz;
    const sent = (id: string, status: RegExp) =>
      [...counts].some(([key, count]) => key.startsWith(`${id} `) && status.test(key) && count > 50);
    for (const { id } of readContract().operations) {
      assert.ok(sent(id, / 2..$/), `${id} has succeeded`);
      assert.ok(sent(id, / 4..$/), `${id} has been rejected`);
    }
  });

  it("has received large requests, and clients have disconnected", () => {
    const { counts } = here().fuzz;
    const disconnected = [...counts].filter(([key]) => key.endsWith(" disconnected"));
    assert.ok(disconnected.length > 5, "clients of many operations have disconnected");
    assert.ok(here().fuzz.large > 20, "there were large requests");
  });

  it("has responded to health checks in time, with bounded memory", async () => {
    const { stack } = here();
    const vitals = { wait: await stack.longestWait(), peakResident: stack.peakResident() };
    assert.deepEqual(readVitals(vitals, bounds).exceeded, []);
  });
});
