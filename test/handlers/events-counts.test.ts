import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { increasesDuring, scrape } from "../support/metrics.ts";
import { runWorkflow } from "../support/running-workflow.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1/events";
const events = "foldforge_gateway_events_sent_total";

describe("GET /v1/workflows/{id}/events, metrics", () => {
  const stack = suite(() => startStack({}, { MAX_EVENT_STREAMS: "7" }));

  it("counts each event that is sent by its type", async () => {
    const { gateway, upstream } = stack();
    upstream.rpcs.streamWorkflowEvents = async function* () {
      yield* await Promise.resolve([workflowEvent(0n, JobState.RUNNING), stepEvent(1n), stepEvent(2n)]);
      yield workflowEvent(3n, JobState.SUCCEEDED);
    };
    const rises = await increasesDuring(gateway.url, events, async () => {
      await (await gateway.fetch(path)).text();
    });
    assert.deepEqual(rises, { workflow_update: 2, step_update: 2 });
  });

  it("counts a fatal error after the headers", async () => {
    const { gateway, upstream } = stack();
    upstream.rpcs.streamWorkflowEvents = async function* () {
      yield await Promise.resolve(workflowEvent(0n, JobState.RUNNING));
      throw new ConnectError("broken", Code.DataLoss);
    };
    const rises = await increasesDuring(gateway.url, events, async () => {
      assert.equal(await readEvents(await gateway.fetch(path)).ended, "broken");
    });
    assert.deepEqual(rises, { workflow_update: 1, stream_error: 1 });
  });

  it("reports the open streams, waiting reads included, and their limit", async () => {
    const { gateway, upstream } = stack();
    const { followers, end } = runWorkflow(upstream);
    const open = async () => {
      const samples = await scrape(gateway.url);
      return ["", "_limit"].map((suffix) => samples.get(`foldforge_gateway_open_event_streams${suffix}`));
    };
    assert.deepEqual(await open(), [0, 7]);
    const reader = readEvents(await gateway.fetch(path));
    const read = gateway.fetch("/v1/workflows/w1", { headers: { Prefer: "wait=30" } });
    await followers(2);
    assert.deepEqual(await open(), [2, 7]);
    end();
    assert.equal(await reader.ended, "clean");
    await (await read).text();
    assert.deepEqual(await open(), [0, 7]);
  });
});
