import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { defaultRetryPolicy } from "../../src/events/retry-policy.ts";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted, callsDuring, deferred, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1/events";
const log = [stepEvent(7n), stepEvent(8n), workflowEvent(9n, JobState.SUCCEEDED)];
const after = (id: bigint) => log.filter(({ eventId }) => eventId > id);

describe("GET /v1/workflows/{id}/events, near the end", () => {
  // Idle timeouts end well before the headers are sent without an event.
  const stack = suite(() =>
    startStack({}, {}, { retryPolicy: { ...defaultRetryPolicy, idleTimeoutMs: 30 } }),
  );

  it("destroys the connection when it finds only after the headers that nothing more comes", async () => {
    const { upstream, gateway } = stack();
    const told = deferred();
    upstream.rpcs.getWorkflow = async () => {
      await told.promise;
      return workflowIn(JobState.SUCCEEDED);
    };
    upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
      yield* await Promise.resolve(after(fromEventId));
    };
    const response = await gateway.fetch(path, { headers: { "Last-Event-ID": "9" } });
    assert.equal(response.status, 200);
    const reader = readEvents(response);
    told.resolve();
    assert.equal(await reader.ended, "broken");
    assert.deepEqual(reader.events, []);
    const again = await gateway.fetch(path, { headers: { "Last-Event-ID": "9" } });
    assert.equal(again.status, 204);
  });

  it("returns 204 to a resume at the end although the upstream stays open, after one GetWorkflow", async () => {
    const { upstream, gateway } = stack();
    upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED);
    upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }, context) {
      yield* after(fromEventId);
      await whenAborted(context.signal);
    };
    const calls = await callsDuring(upstream, async () => {
      const response = await gateway.fetch(path, { headers: { "Last-Event-ID": "9" } });
      assert.equal(response.status, 204);
    });
    assert.deepEqual(
      calls.map(({ rpc }) => rpc),
      ["GetWorkflow", "StreamWorkflowEvents", "StreamWorkflowEvents"],
    );
  });

  for (const [when, states] of [
    ["is finished", [JobState.SUCCEEDED]],
    ["finishes meanwhile", [JobState.RUNNING, JobState.SUCCEEDED]],
  ] as const)
    it(`sends the rest to a resume whose upstream ends its stream too early, when the workflow ${when}`, async () => {
      const { upstream, gateway } = stack();
      let reads = 0;
      let stopping = true;
      upstream.rpcs.getWorkflow = () => workflowIn(states[reads++] ?? JobState.SUCCEEDED);
      upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
        const events = stopping ? [] : after(fromEventId);
        if (fromEventId === 7n) stopping = false;
        yield* await Promise.resolve(events);
      };
      const response = await gateway.fetch(path, { headers: { "Last-Event-ID": "7" } });
      assert.equal(response.status, 200);
      const reader = readEvents(response);
      assert.equal(await reader.ended, "clean");
      assert.deepEqual(
        reader.events.map(({ id }) => id),
        ["8", "9"],
      );
    });

  it("sends the headers and destroys the connection at once when the gateway closes", async () => {
    const { upstream, gateway, close } = await startStack({}, { SHUTDOWN_GRACE_SECONDS: "600" });
    const begun = deferred();
    upstream.rpcs.streamWorkflowEvents = async function* (_request, context) {
      begun.resolve();
      await whenAborted(context.signal);
      yield* [];
    };
    const response = gateway.fetch(path);
    await begun.promise;
    await close();
    const { status, body } = await response;
    assert.equal(status, 200);
    await assert.rejects(new Response(body).text(), TypeError);
  });
});

describe("GET /v1/workflows/{id}/events, of a finished workflow whose upstream is slow", () => {
  const retryPolicy = { maxRetries: 0, backoffMs: () => 0, idleTimeoutMs: 0 };
  const stack = suite(() => startStack({}, {}, { retryPolicy }));

  /** The upstream finds each event only after some round trips, which take longer than the idle timeout. */
  function slowLog(snapshot?: typeof log) {
    const { upstream, gateway } = stack();
    upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED);
    upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }, context) {
      if (fromEventId === 0n) yield* snapshot ?? [];
      for (const event of fromEventId === 0n ? [] : after(fromEventId)) {
        for (let i = 0; i < 3; i++) await gateway.fetch("/v1/workflows/w1");
        yield event;
      }
      await whenAborted(context.signal);
    };
    return gateway;
  }

  it("sends every event to a resume, and ends cleanly", async () => {
    const reader = readEvents(await slowLog().fetch(path, { headers: { "Last-Event-ID": "6" } }));
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ["7", "8", "9"],
    );
  });

  it("sends a fresh client the id of the terminal event", async () => {
    const gateway = slowLog([workflowEvent(0n, JobState.SUCCEEDED)]);
    const reader = readEvents(await gateway.fetch(path));
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ["9"],
    );
  });
});
