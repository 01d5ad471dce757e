import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { runWorkflow } from "../support/running-workflow.ts";
import { jsonPost, oneStep, workflowIn } from "../support/samples.ts";
import { whenAborted, startStack } from "../support/stack.ts";

describe("measuredCalls", () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        consumeQuota: () => ({ allowed: true, limit: 0n, used: 1n, principal: "alice" }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
        cancelWorkflow: () => {
          throw new ConnectError("no", Code.NotFound);
        },
        listWorkflows: () => ({}),
      },
      { API_KEYS_ENABLED: "true" },
    ),
  );

  it("puts every call in the metrics: of a request, of its key, of its quota, of the probe and of a stream", async () => {
    const { gateway, upstream } = stack();
    const token = "a-key";
    await (await gateway.fetch("/v1/workflows", { ...jsonPost(oneStep), token })).text();
    await (await gateway.fetch("/v1/workflows/w1", { method: "DELETE", token })).text();
    await (await gateway.fetch("/v1/readyz")).text();

    const run = runWorkflow(upstream);
    const client = new AbortController();
    const reader = readEvents(await gateway.fetch("/v1/workflows/w1/events", { signal: client.signal }));
    const followed = await run.followed;
    client.abort();
    await reader.ended;
    await whenAborted(followed);

    const text = await (await gateway.fetch("/metrics")).text();
    const counts = [...text.matchAll(/^foldforge_gateway_grpc_call_duration_seconds_count\{(.*)\} (\d+)$/gm)];
    assert.deepEqual(counts.map(([, labels, count]) => `${labels} ${count}`).sort(), [
      'method="AuthenticateApiKey",code="OK" 1',
      'method="CancelWorkflow",code="NOT_FOUND" 1',
      'method="ConsumeQuota",code="OK" 1',
      'method="ListWorkflows",code="OK" 1',
      'method="StreamWorkflowEvents",code="CANCELLED" 1',
      'method="SubmitWorkflow",code="OK" 1',
    ]);
  });
});
