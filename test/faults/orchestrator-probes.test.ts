import assert from "node:assert/strict";
import { suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { callsDuring, startStack } from "../support/stack.ts";

describe("GET /v1/readyz, from many at once", () => {
  let time = 0;
  const stack = suite(() => startStack({}, {}, { now: () => time }));

  /** The statuses of so many probes at once, and the calls that they made. */
  async function probe(count: number) {
    const statuses = new Set<number>();
    const calls = await callsDuring(stack().upstream, async () => {
      const all = Array.from({ length: count }, () => sendPath(stack().gateway.url, "/v1/readyz"));
      for (const { status } of await Promise.all(all)) statuses.add(status);
    });
    return { statuses: [...statuses], rpcs: calls.map(({ rpc }) => rpc) };
  }

  it("makes one call for 500 probes, and none in the second after it", async () => {
    const begun = Promise.withResolvers<undefined>();
    const result = Promise.withResolvers<object>();
    stack().upstream.rpcs.listWorkflows = () => {
      begun.resolve(undefined);
      return result.promise;
    };
    const probes = probe(500);
    await begun.promise;
    result.resolve({});
    assert.deepEqual(await probes, { statuses: [200], rpcs: ["ListWorkflows"] });
    time += 999;
    assert.deepEqual(await probe(100), { statuses: [200], rpcs: [] });
    time += 1;
    assert.deepEqual(await probe(100), { statuses: [200], rpcs: ["ListWorkflows"] });
  });

  it("does not ask an orchestrator more often that is down", async () => {
    delete stack().upstream.rpcs.listWorkflows;
    time += 1000;
    assert.deepEqual(await probe(500), { statuses: [503], rpcs: ["ListWorkflows"] });
    time += 999;
    assert.deepEqual(await probe(100), { statuses: [503], rpcs: [] });
    time += 1;
    stack().upstream.rpcs.listWorkflows = () => ({});
    assert.deepEqual(await probe(100), { statuses: [200], rpcs: ["ListWorkflows"] });
    const events = stack().gateway.logs.map(({ event }) => event);
    assert.deepEqual(
      events.filter((event) => event?.startsWith("readiness.")),
      ["readiness.lost", "readiness.recovered"],
    );
  });
});
