import assert from "node:assert/strict";
import { once } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { createReadinessProbe } from "../../src/orchestrator/readiness.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { traceContextFrom, traceparentOf } from "../../src/telemetry/trace-context.ts";
import { suite } from "../support/gateway.ts";
import { clientSuite } from "../support/orchestrator.ts";
import { startUpstream } from "../support/upstream.ts";

const trace = traceContextFrom(undefined, undefined);

describe("createReadinessProbe", () => {
  const upstream = suite(startUpstream);
  const client = clientSuite(upstream);

  /** Probes; the result with what was logged. */
  async function probe(timeoutMs = 5000) {
    const lines: string[] = [];
    const logger = createLogger({ write: (line) => void lines.push(line) });
    const isReady = await createReadinessProbe(client(), timeoutMs, logger)(trace);
    return { isReady, logged: lines.map((line) => JSON.parse(line)) };
  }

  it("reads one workflow, unscoped, and logs nothing when that works", async () => {
    upstream().rpcs.listWorkflows = ({ pageSize }) => {
      assert.equal(pageSize, 1);
      return {};
    };
    assert.deepEqual(await probe(), { isReady: true, logged: [] });
    const { rpc, metadata } = upstream().calls.at(-1)!;
    assert.equal(rpc, "ListWorkflows");
    assert.equal(metadata.get("traceparent"), traceparentOf(trace));
    assert.equal(metadata.get("ff-principal"), null);
  });

  for (const code of [Code.Unavailable, Code.Internal, Code.Unimplemented, Code.Unauthenticated])
    it(`is not ready when the orchestrator says ${Code[code]}, and logs why`, async () => {
      upstream().rpcs.listWorkflows = () => {
        throw new ConnectError("no database", code);
      };
      const { isReady, logged } = await probe();
      assert.equal(isReady, false);
      assert.deepEqual(
        logged.map(({ level, event, err }) => [level, event, err.code]),
        [["warn", "readiness.lost", code]],
      );
    });

  it("is not ready when the orchestrator does not answer in time", async () => {
    upstream().rpcs.listWorkflows = async (_request, { signal }) => {
      await once(signal, "abort");
      return {};
    };
    const { isReady, logged } = await probe(50);
    assert.equal(isReady, false);
    assert.equal(logged[0].err.code, Code.DeadlineExceeded);
  });

  it("is ready again as soon as the orchestrator is", async () => {
    upstream().rpcs.listWorkflows = () => ({});
    upstream().dropConnections();
    await probe();
    assert.equal((await probe()).isReady, true);
  });
});
