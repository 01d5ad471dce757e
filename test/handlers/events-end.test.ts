import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted, callsDuring, deferred, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1/events";
const log = [stepEvent(7n), stepEvent(8n), workflowEvent(9n, JobState.SUCCEEDED)];
const after = (id: bigint) => log.filter(({ eventId }) => eventId > id);

describe("GET /v1/workflows/{id}/events, at its ends", () => {
  const stack = suite(() => startStack());

  it("breaks the connection when it learns only after the headers that there is no more", async () => {
    const { upstream, gateway } = stack();
    const told = deferred();
    upstream.rpcs.getWorkflow = async () => {
      await told.promise;
      return workflowIn(JobState.SUCCEEDED);
    };
    upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
      yield* await Promise.resolve(after(fromEventId));
    };
    const answer = await gateway.fetch(path, { headers: { "Last-Event-ID": "9" } });
    assert.equal(answer.status, 200);
    const reader = readEvents(answer);
    told.resolve();
    assert.equal(await reader.ended, "broken");
    assert.deepEqual(reader.events, []);
    const again = await gateway.fetch(path, { headers: { "Last-Event-ID": "9" } });
    assert.equal(again.status, 204);
  });

  it("answers 204 to a resume at the end, although the upstream stays open, after one look at the workflow", async () => {
    const { upstream, gateway } = stack();
    upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED);
    upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }, context) {
      yield* after(fromEventId);
      await whenAborted(context.signal);
    };
    const calls = await callsDuring(upstream, async () => {
      const answer = await gateway.fetch(path, { headers: { "Last-Event-ID": "9" } });
      assert.equal(answer.status, 204);
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
    it(`brings the rest to a resume whose upstream ends its stream too early, when the workflow ${when}`, async () => {
      const { upstream, gateway } = stack();
      let asked = 0;
      let stopping = true;
      upstream.rpcs.getWorkflow = () => workflowIn(states[asked++] ?? JobState.SUCCEEDED);
      upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
        const events = stopping ? [] : after(fromEventId);
        if (fromEventId === 7n) stopping = false;
        yield* await Promise.resolve(events);
      };
      const answer = await gateway.fetch(path, { headers: { "Last-Event-ID": "7" } });
      assert.equal(answer.status, 200);
      const reader = readEvents(answer);
      assert.equal(await reader.ended, "clean");
      assert.deepEqual(
        reader.events.map(({ id }) => id),
        ["8", "9"],
      );
    });

  it("is cut at once by a gateway that closes, after its headers at the least", async () => {
    const { upstream, gateway, close } = await startStack({}, { SHUTDOWN_GRACE_SECONDS: "600" });
    const asked = deferred();
    upstream.rpcs.streamWorkflowEvents = async function* (_request, context) {
      asked.resolve();
      await whenAborted(context.signal);
      yield* [];
    };
    const answer = gateway.fetch(path);
    await asked.promise;
    await close();
    const { status, body } = await answer;
    assert.equal(status, 200);
    await assert.rejects(new Response(body).text(), TypeError);
  });
});

describe("GET /v1/workflows/{id}/events, of a finished workflow whose upstream is slow", () => {
  const retryPolicy = { maxRetries: 0, backoffMs: () => 0, idleTimeoutMs: 0 };
  const stack = suite(() => startStack({}, {}, { retryPolicy }));

  /** The upstream finds each event only after some round trips, which are longer than the little silence. */
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

  it("brings every event to a resume, and ends cleanly", async () => {
    const reader = readEvents(await slowLog().fetch(path, { headers: { "Last-Event-ID": "6" } }));
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ["7", "8", "9"],
    );
  });

  it("gives a fresh client the id of the end", async () => {
    const gateway = slowLog([workflowEvent(0n, JobState.SUCCEEDED)]);
    const reader = readEvents(await gateway.fetch(path));
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ["9"],
    );
  });
});
