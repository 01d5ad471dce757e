import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { scaled } from "../support/machine.ts";
import { upstreamOperations, withKeys } from "../support/operations.ts";
import { jsonPost, oneStep, workflowEvent, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";

/** What has a deadline: every operation but the stream. */
const bounded = upstreamOperations.filter(({ id }) => id !== "streamWorkflowEvents");

describe("callOptions", () => {
  const deadlineMs = scaled(500);
  const stack = suite(() =>
    startStack(withKeys.rpcs, {
      ...withKeys.settings,
      ORCHESTRATOR_RPC_TIMEOUT_SECONDS: String(deadlineMs / 1000),
    }),
  );

  for (const { id, path, init, rpc, safe } of bounded) {
    it(`responds 504 when the call of ${id} gets no response, retryable: ${safe}`, async () => {
      const { started: begun } = hang(stack().upstream, rpc);
      const response = await stack().gateway.fetch(path, init);
      const body = (await response.json()) as { code: string; message: string; retryable: boolean };
      assert.equal(response.status, 504);
      assert.deepEqual(
        [body.code, body.message, body.retryable],
        ["DEADLINE_EXCEEDED", "internal server error", safe],
      );
      assert.equal((await begun).get("grpc-timeout"), `${deadlineMs}m`);
    });
  }
});

describe("a broken connection", () => {
  const stack = suite(() => startStack(withKeys.rpcs, withKeys.settings));

  describe("a client that disconnects", () => {
    for (const { id, path, init, rpc, safe } of bounded) {
      it(`cancels the upstream call of ${id}${safe ? "" : ", not safe to repeat"}`, async () => {
        const { started: begun, cancelled } = hang(stack().upstream, rpc);
        const leaving = new AbortController();
        const response = stack().gateway.fetch(path, { ...init, signal: leaving.signal });
        await begun;
        leaving.abort();
        await assert.rejects(response, { name: "AbortError" });
        await cancelled;
      });
    }
  });

  describe("an upstream that is down", () => {
    for (const { id, path, init, rpc, safe } of upstreamOperations) {
      it(`responds 503 when it is killed during ${id}${safe ? "" : ", not safe to repeat"}`, async () => {
        const { gateway, upstream } = stack();
        // A read is tried twice.
        hang(upstream, rpc, () => upstream.dropConnections());
        const { status, headers } = await gateway.fetch(path, init);
        assert.equal(status, 503);
        assert.ok(headers.get("retry-after"));
        upstream.rpcs.getWorkflow = () => workflowIn(JobState.QUEUED);
        assert.equal((await gateway.fetch("/v1/workflows/w1")).status, 200);
      });
    }

    it("responds 503 while it is down, and serves again once it is up", async () => {
      const rpcs = {
        getWorkflow: () => workflowIn(JobState.QUEUED),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
        async *streamWorkflowEvents() {
          yield await Promise.resolve(workflowEvent(3n, JobState.SUCCEEDED));
        },
      };
      const first = await startUpstream(rpcs);
      let time = 0;
      const settings = { ORCHESTRATOR_ENDPOINT: first.url };
      const { gateway, close } = await startStack({}, settings, { now: () => time });
      const statuses = async () => {
        time += 1000;
        return [
          (await gateway.fetch("/v1/workflows/w1")).status,
          (await gateway.fetch("/v1/workflows", jsonPost(oneStep))).status,
          (await gateway.fetch("/v1/workflows/w1/events", { headers: { "Last-Event-ID": "2" } })).status,
          (await gateway.fetch("/v1/readyz")).status,
          (await gateway.fetch("/v1/healthz")).status,
        ];
      };
      assert.deepEqual(await statuses(), [200, 201, 200, 503, 200]);
      await first.close();
      assert.deepEqual(await statuses(), [503, 503, 503, 503, 200]);
      const second = await startUpstream(
        { ...rpcs, listWorkflows: () => ({}) },
        Number(new URL(first.url).port),
      );
      assert.deepEqual(await statuses(), [200, 201, 200, 200, 200]);
      await close();
      await second.close();
    });
  });
});
