import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { runWorkflow } from "../support/running-workflow.ts";
import { jsonPost, oneStep, workflowIn } from "../support/samples.ts";
import { startStack, whenAborted } from "../support/stack.ts";

describe("measureCalls", () => {
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

  it("counts the calls of a request, of its key, of its quota, of the readiness probe and of a stream", async () => {
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
    const counts = [...text.matchAll(/^foldforge_gateway_\w+_call_duration_seconds_count\{(.*)\} (\d+)$/gm)];
    const labels = counts.map(([, label = "", count]) => `${label.replace(/\w+=/g, "")} ${count}`);
    assert.deepEqual(labels.sort(), [
      '"AuthenticateApiKey","OK" 1',
      '"CancelWorkflow","NOT_FOUND" 1',
      '"ConsumeQuota","OK" 1',
      '"ListWorkflows","OK" 1',
      '"StreamWorkflowEvents","CANCELLED" 1',
      '"SubmitWorkflow","OK" 1',
    ]);
  });
});
