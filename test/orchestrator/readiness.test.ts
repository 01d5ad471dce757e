import assert from "node:assert/strict";
import { once } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { createReadinessProbe } from "../../src/orchestrator/readiness.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { traceContextFrom, traceparentOf } from "../../src/telemetry/trace-context.ts";
import { suite } from "../support/gateway.ts";
import { encodedClientSuite } from "../support/orchestrator.ts";
import { callsDuring } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";

const trace = traceContextFrom(undefined, undefined);

describe("createReadinessProbe", () => {
  const upstream = suite(startUpstream);
  const client = encodedClientSuite(upstream);

  /** A probe with its own clock and log. */
  function startProbe(timeoutMs = 5000) {
    const lines: string[] = [];
    const logger = createLogger({ write: (line) => void lines.push(line) });
    const clock = { now: 0 };
    const probeReadiness = createReadinessProbe(client(), timeoutMs, logger, () => clock.now);
    return {
      clock,
      probe: () => probeReadiness(trace),
      logged: () => lines.map((line) => JSON.parse(line)),
    };
  }

  const works = () => ({});
  const fails = () => {
    throw new ConnectError("no database", Code.Internal);
  };

  it("reads one workflow, unscoped, and logs nothing when that succeeds", async () => {
    upstream().rpcs.listWorkflows = ({ pageSize }) => {
      assert.equal(pageSize, 1);
      return {};
    };
    const { probe, logged } = startProbe();
    assert.equal(await probe(), true);
    assert.deepEqual(logged(), []);
    const { rpc, metadata } = upstream().calls.at(-1)!;
    assert.equal(rpc, "ListWorkflows");
    assert.equal(metadata.get("traceparent"), traceparentOf(trace));
    assert.equal(metadata.get("ff-principal"), null);
  });

  for (const code of [
    Code.Unavailable,
    Code.Internal,
    Code.Unimplemented,
    Code.Unauthenticated,
    Code.ResourceExhausted,
  ])
    it(`returns false when the orchestrator fails with ${Code[code]}, and logs the error`, async () => {
      upstream().rpcs.listWorkflows = () => {
        throw new ConnectError("no database", code);
      };
      const { probe, logged } = startProbe();
      assert.equal(await probe(), false);
      assert.deepEqual(
        logged().map(({ level, event, err }) => [level, event, err.code]),
        [["warn", "readiness.lost", code]],
      );
    });

  it("returns true when the newest workflow is larger than a probe reads", async () => {
    upstream().rpcs.listWorkflows = () => ({ workflows: [{ id: "x".repeat(70_000) }] });
    const { probe, logged } = startProbe();
    assert.equal(await probe(), true);
    assert.deepEqual(logged(), []);
  });

  it("returns false when the orchestrator does not respond in time", async () => {
    upstream().rpcs.listWorkflows = async (_request, { signal }) => {
      await once(signal, "abort");
      return {};
    };
    const { probe, logged } = startProbe(50);
    assert.equal(await probe(), false);
    assert.equal(logged()[0].err.code, Code.DeadlineExceeded);
  });

  it("returns true although the connection has just been lost", async () => {
    upstream().rpcs.listWorkflows = works;
    const { clock, probe, logged } = startProbe();
    await probe();
    upstream().dropConnections();
    clock.now += 1000;
    assert.equal(await probe(), true);
    assert.deepEqual(logged(), []);
  });

  it("makes one call for concurrent probes", async () => {
    const mayRespond = Promise.withResolvers<object>();
    upstream().rpcs.listWorkflows = () => mayRespond.promise;
    const { clock, probe } = startProbe();
    const calls = await callsDuring(upstream(), async () => {
      const early = Array.from({ length: 50 }, probe);
      // The clock does not matter while the call runs.
      clock.now += 60_000;
      const late = Array.from({ length: 50 }, probe);
      mayRespond.resolve({});
      assert.ok((await Promise.all([...early, ...late])).every((isReady) => isReady));
    });
    assert.equal(calls.length, 1);
  });

  for (const [what, respond] of [
    ["good", works],
    ["bad", fails],
  ] as const)
    it(`makes the next call a second after a ${what} result`, async () => {
      upstream().rpcs.listWorkflows = respond;
      const { clock, probe } = startProbe();
      const calls = await callsDuring(upstream(), async () => {
        for (const now of [0, 500, 999, 1000, 1999, 2000]) {
          clock.now = now;
          assert.equal(await probe(), what === "good");
        }
      });
      assert.equal(calls.length, 3);
    });

  it("logs only the loss and the recovery", async () => {
    const { clock, probe, logged } = startProbe();
    for (const respond of [works, works, fails, fails, fails, works, works, fails]) {
      upstream().rpcs.listWorkflows = respond;
      clock.now += 1000;
      await probe();
    }
    assert.deepEqual(
      logged().map(({ level, event }) => [level, event]),
      [
        ["warn", "readiness.lost"],
        ["info", "readiness.recovered"],
        ["warn", "readiness.lost"],
      ],
    );
    assert.match(logged()[1].trace_id, /^[0-9a-f]{32}$/);
  });
});
