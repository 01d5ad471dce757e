import assert from "node:assert/strict";
import { suite } from "../support/gateway.ts";
import { readContract } from "./contract.ts";
import { createFuzz } from "./fuzz.ts";
import { startFuzzStack } from "./stack.ts";
import { WireClient } from "./client.ts";
import { readVitals } from "./vitals.ts";

/** Where the requests begin; each round has the next seed. */
const seed = 20_000;

/** Requests after which all is compiled, and every cache is full. */
const warmUp = 4000;

/** Requests of which none may leave anything behind. */
const measured = 16_000;

/** Most memory that all of them may add, in bytes: 50 for each. */
const maxGrowth = 50 * measured;

/** Wide, since the machine of a test may be slow. */
const bounds = { waitMs: 1000, residentBytes: 768 * 1024 * 1024 };

describe("the gateway, fuzzed", () => {
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
      /** The least memory in use of three looks, each once small requests have taken the place of what came last. */
      async memoryInUse() {
        const headers = [
          ["Host", "gateway"],
          ["Authorization", `Bearer ${stack.known.adminToken}`],
        ] as const;
        const request = { method: "GET", target: "/v1/workflows/w1", version: "HTTP/1.1", headers };
        const looks: number[] = [];
        while (looks.length < 3) {
          for (let count = 0; count < 100; count += 1) await client.send(request);
          looks.push(await stack.memoryInUse());
        }
        return Math.min(...looks);
      },
      async close() {
        fuzz.close();
        client.close();
        assert.equal(await stack.close(), "exit code 0", "the process has lived");
      },
    };
  });

  it(`answers ${warmUp + measured} generated requests (seed ${seed}) as the contract says, and forgets them`, async () => {
    await here().run(warmUp);
    const before = await here().memoryInUse();
    await here().run(measured);
    const growth = (await here().memoryInUse()) - before;
    assert.ok(growth < maxGrowth, `memory has grown by ${growth} bytes`);
  });

  it("has sent each operation requests that succeed and requests that do not", () => {
    const { counts } = here().fuzz;
    const sent = (id: string, status: RegExp) =>
      [...counts].some(([key, count]) => key.startsWith(`${id} `) && status.test(key) && count > 50);
    for (const { id } of readContract().operations) {
      assert.ok(sent(id, / 2..$/), `${id} has succeeded`);
      assert.ok(sent(id, / 4..$/), `${id} has been refused`);
    }
  });

  it("has sent requests that become large, and had clients that left", () => {
    const { counts } = here().fuzz;
    const left = [...counts].filter(([key]) => key.endsWith(" left"));
    assert.ok(left.length > 5, "clients of many operations have left");
    assert.ok(here().fuzz.large > 20, "there were large ones");
  });

  it("has kept its health from waiting, and its memory bounded", async () => {
    const { stack } = here();
    const vitals = { wait: await stack.longestWait(), peakResident: stack.peakResident() };
    assert.deepEqual(readVitals(vitals, bounds).beyond, []);
  });
});
