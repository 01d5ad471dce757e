import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { workflowEvent, workflowIn } from "../support/samples.ts";
import { abortion, signal, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1/events";

describe("GET /v1/workflows/{id}/events, at its ends", () => {
  const stack = suite(() => startStack());

  it("breaks the connection when it learns only after the headers that there is no more", async () => {
    const { upstream, gateway } = stack();
    const told = signal();
    upstream.rpcs.getWorkflow = async () => {
      await told.promise;
      return workflowIn(JobState.SUCCEEDED);
    };
    upstream.rpcs.streamWorkflowEvents = async function* () {
      yield* await Promise.resolve([]);
    };
    const answer = await gateway.fetch(path, { headers: { "Last-Event-ID": "7" } });
    assert.equal(answer.status, 200);
    const reader = readEvents(answer);
    told.resolve();
    assert.equal(await reader.ending, "broken");
    assert.deepEqual(reader.events, []);
    const again = await gateway.fetch(path, { headers: { "Last-Event-ID": "7" } });
    assert.equal(again.status, 204);
  });

  it("answers 204 to a resume at the end, although the upstream stays open", async () => {
    const { upstream, gateway } = stack();
    upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED);
    upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }, context) {
      if (fromEventId < 9n) yield workflowEvent(9n, JobState.SUCCEEDED);
      await abortion(context.signal);
    };
    const answer = await gateway.fetch(path, { headers: { "Last-Event-ID": "9" } });
    assert.equal(answer.status, 204);
  });

  it("is cut at once by a gateway that closes, after its headers at the least", async () => {
    const { upstream, gateway, close } = await startStack({}, { SHUTDOWN_GRACE_SECONDS: "600" });
    const asked = signal();
    upstream.rpcs.streamWorkflowEvents = async function* (_request, context) {
      asked.resolve();
      await abortion(context.signal);
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
