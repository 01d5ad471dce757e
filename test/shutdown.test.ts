import assert from "node:assert/strict";
import { JobState } from "../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "./support/event-reader.ts";
import { hang } from "./support/hang.ts";
import { workflowEvent, workflowIn } from "./support/samples.ts";
import { whenAborted, callsDuring, deferred, startStack } from "./support/stack.ts";

describe("createShutdown", () => {
  it("closes: finishes requests in flight, aborts event streams, and accepts no connection", async () => {
    const inFlight = deferred();
    const mayRespond = deferred();
    const { gateway, upstream } = await startStack(
      {
        async getWorkflow() {
          inFlight.resolve();
          await mayRespond.promise;
          return workflowIn(JobState.RUNNING);
        },
        async *streamWorkflowEvents(_request, { signal }) {
          yield workflowEvent(0n, JobState.RUNNING);
          await whenAborted(signal);
        },
      },
      { SHUTDOWN_GRACE_SECONDS: "60" },
    );
    const reader = readEvents(await gateway.fetch("/v1/workflows/w1/events"));
    await reader.next();
    const response = gateway.fetch("/v1/workflows/w1");
    await inFlight.promise;

    const closed = gateway.close();
    assert.equal(await reader.ended, "broken");
    await assert.rejects(gateway.fetch("/v1/healthz"));
    mayRespond.resolve();
    assert.equal((await response).status, 200);
    await closed;
    await upstream.close();
  });

  it("logs every request that it aborts before it is closed", async () => {
    const { gateway, upstream } = await startStack({
      async *streamWorkflowEvents(_request, { signal }) {
        yield workflowEvent(0n, JobState.RUNNING);
        await whenAborted(signal);
      },
    });
    for (let i = 0; i < 5; i++) await readEvents(await gateway.fetch("/v1/workflows/w1/events")).next();
    await gateway.close();
    const aborted = gateway.logs.filter(
      ({ event, complete }) => event === "request.completed" && complete === false,
    );
    assert.equal(aborted.length, 5);
    await upstream.close();
  });

  it("drains: serves while not ready, with Connection: close, and then closes", async () => {
    const inFlight = deferred();
    const mayRespond = deferred();
    const { gateway, upstream } = await startStack(
      {
        async getWorkflow({ workflowId }) {
          if (workflowId === "slow") {
            inFlight.resolve();
            await mayRespond.promise;
          }
          return workflowIn(JobState.RUNNING);
        },
        listWorkflows: () => ({}),
        async *streamWorkflowEvents(_request, { signal }) {
          yield workflowEvent(0n, JobState.RUNNING);
          await whenAborted(signal);
        },
      },
      {
        DRAIN_DELAY_SECONDS: "4",
        SHUTDOWN_GRACE_SECONDS: "3600",
        ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "300",
      },
    );
    assert.equal((await gateway.fetch("/v1/readyz")).status, 200);

    const drained = gateway.drain();
    const calls = await callsDuring(upstream, async () => {
      const ready = await gateway.fetch("/v1/readyz");
      assert.deepEqual([ready.status, await ready.json()], [503, { status: "unavailable" }]);
    });
    assert.deepEqual(calls, []);
    const late = await gateway.fetch("/v1/workflows/w1");
    assert.deepEqual([late.status, late.headers.get("connection")], [200, "close"]);
    const reader = readEvents(await gateway.fetch("/v1/workflows/w1/events"));
    await reader.next();
    const response = gateway.fetch("/v1/workflows/slow");
    await inFlight.promise;

    assert.equal(await reader.ended, "broken");
    await assert.rejects(gateway.fetch("/v1/healthz"));
    mayRespond.resolve();
    assert.equal((await response).status, 200);
    await drained;
    await upstream.close();
  });

  it("is not ready for a probe in progress when the drain starts", async () => {
    const probed = deferred();
    const mayRespond = deferred();
    const { gateway, upstream } = await startStack(
      {
        async listWorkflows() {
          probed.resolve();
          await mayRespond.promise;
          return {};
        },
      },
      { SHUTDOWN_GRACE_SECONDS: "60" },
    );
    const response = gateway.fetch("/v1/readyz");
    await probed.promise;
    const drained = gateway.drain();
    mayRespond.resolve();
    assert.equal((await response).status, 503);
    await drained;
    await upstream.close();
  });

  it("aborts what is left within the grace, counted from the start of the drain", async () => {
    const { gateway, upstream } = await startStack(
      {},
      { DRAIN_DELAY_SECONDS: "4", SHUTDOWN_GRACE_SECONDS: "5" },
    );
    const { started } = hang(upstream, "getWorkflow");
    const response = gateway.fetch("/v1/workflows/w1");
    await started;
    const begin = performance.now();
    const drained = gateway.drain();
    await assert.rejects(response);
    await drained;
    const took = performance.now() - begin;
    // Counted from the end of the delay, it would take 8.5 s.
    assert.ok(took > 4400 && took < 6500, `${took} ms`);
    await upstream.close();
  });

  it("closes idle connections of clients", async () => {
    const { gateway, close } = await startStack({}, { SHUTDOWN_GRACE_SECONDS: "60" });
    await (await gateway.fetch("/v1/healthz")).text();
    await close();
  });
});
