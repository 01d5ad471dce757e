import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { Message } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  AuthenticateApiKeyResponseSchema,
  ConsumeQuotaResponseSchema,
  ListWorkflowsResponseSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { SubmitWorkflowRequest } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { startGrpcJsOrchestrator } from "../support/grpc-js-orchestrator.ts";
import type { StreamingRpc, UnaryRpc } from "../support/grpc-js-orchestrator.ts";
import { scaled, scaledSeconds } from "../support/machine.ts";
import {
  jsonPost,
  runningJson,
  stepEvent,
  threeSteps,
  workflowEvent,
  workflowIn,
} from "../support/samples.ts";
import { deferred } from "../support/stack.ts";

/** A method that responds with `message`. */
const respondsWith =
  (message: Message): UnaryRpc =>
  (_call, callback) =>
    callback(null, message);

/** A method that fails. */
const fails =
  (code: grpc.status, details: string): UnaryRpc =>
  (_call, callback) =>
    callback({ code, details });

const running = workflowIn(JobState.RUNNING);

describe("a gateway with a grpc-js orchestrator", () => {
  const timeout = scaledSeconds(2);
  const upstream = suite(startGrpcJsOrchestrator);
  const gateway = suite(() =>
    startTestGateway(
      {
        ORCHESTRATOR_ENDPOINT: upstream().url,
        ORCHESTRATOR_RPC_TIMEOUT_SECONDS: timeout,
        API_KEYS_ENABLED: "true",
      },
      { retryPolicy: { maxRetries: 3, backoffMs: () => 0, idleTimeoutMs: 30 } },
    ),
  );

  it("reads workflows", async () => {
    upstream().rpcs["GetWorkflow"] = respondsWith(running);
    upstream().rpcs["ListWorkflows"] = respondsWith(
      create(ListWorkflowsResponseSchema, { workflows: [running] }),
    );
    const got = await gateway().fetch("/v1/workflows/w1");
    assert.deepEqual(await got.json(), runningJson);
    const listed = await gateway().fetch("/v1/workflows");
    assert.deepEqual(await listed.json(), { workflows: [runningJson], next_page_token: "" });
    assert.equal((await gateway().fetch("/v1/readyz")).status, 200);
  });

  it("sends a submission with its metadata and its deadline", async () => {
    let request: SubmitWorkflowRequest | undefined;
    let metadata: Record<string, unknown> = {};
    let deadline = new Date(0);
    upstream().rpcs["AuthenticateApiKey"] = respondsWith(
      create(AuthenticateApiKeyResponseSchema, { allowed: true, principal: "alice" }),
    );
    upstream().rpcs["ConsumeQuota"] = respondsWith(
      create(ConsumeQuotaResponseSchema, { allowed: true, limit: 9007199254740993n, used: 1n }),
    );
    upstream().rpcs["SubmitWorkflow"] = (call, callback) => {
      // The service's definition determines the message type.
      request = call.request as SubmitWorkflowRequest;
      metadata = call.metadata.getMap();
      deadline = new Date(call.getDeadline());
      callback(null, running);
    };
    const before = Date.now();
    const response = await gateway().fetch("/v1/workflows", {
      ...jsonPost(threeSteps, { "Idempotency-Key": "k", "ff-principal": "mallory" }),
      token: "alices",
    });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get("x-ratelimit-limit"), "9007199254740993");
    assert.equal(response.headers.get("x-ratelimit-remaining"), "9007199254740992");
    assert.equal(request?.idempotencyKey, "k");
    assert.deepEqual(
      request.spec?.steps.map(({ params }) => params),
      threeSteps.steps.map(({ params }) => params),
    );
    assert.deepEqual(request.spec.labels, threeSteps.labels);
    assert.equal(metadata["ff-principal"], "alice");
    assert.match(String(metadata["traceparent"]), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    const left = deadline.getTime() - before;
    assert.ok(left > 0 && left < Number(timeout) * 1000 + scaled(1500), `${left} ms`);
  });

  const errors = [
    [grpc.status.INVALID_ARGUMENT, 400, "steps[0].params: Zahl zu groß — 100 %"],
    [grpc.status.NOT_FOUND, 404, "workflow w1 not found"],
    [grpc.status.FAILED_PRECONDITION, 400, "workflow w1 is RUNNING"],
    [grpc.status.ALREADY_EXISTS, 409, "the key was used"],
    [grpc.status.PERMISSION_DENIED, 403, "suspended"],
  ] as const;
  for (const [code, status, words] of errors) {
    it(`passes the message of ${grpc.status[code]} on`, async () => {
      upstream().rpcs["RetryWorkflow"] = fails(code, words);
      const response = await gateway().fetch("/v1/workflows/w1/retry", { method: "POST" });
      const body = (await response.json()) as { code: string; message: string };
      assert.equal(response.status, status);
      assert.deepEqual([body.code, body.message], [grpc.status[code], words]);
    });
  }

  for (const [code, status] of [
    [grpc.status.UNKNOWN, 500],
    [grpc.status.INTERNAL, 500],
    [grpc.status.DATA_LOSS, 500],
    [grpc.status.UNAVAILABLE, 503],
  ] as const) {
    it(`hides the message of ${grpc.status[code]}`, async () => {
      upstream().rpcs["GetWorkflow"] = fails(code, "secret of the upstream");
      const response = await gateway().fetch("/v1/workflows/w1");
      assert.equal(response.status, status);
      assert.equal(((await response.json()) as { message: string }).message, "internal server error");
    });
  }

  it("returns 501 for an unimplemented method", async () => {
    delete upstream().rpcs["CancelWorkflow"];
    assert.equal((await gateway().fetch("/v1/workflows/w1", { method: "DELETE" })).status, 501);
  });

  it("cancels a call at its deadline and returns 504", async () => {
    const cancelled = deferred();
    const silent: UnaryRpc = (call) => void call.once("cancelled", () => cancelled.resolve());
    upstream().rpcs["GetWorkflow"] = silent;
    assert.equal((await gateway().fetch("/v1/workflows/w1")).status, 504);
    await cancelled.promise;
  });

  it("streams events, and resumes a stream that breaks", async () => {
    const resumedFrom: bigint[] = [];
    const stream: StreamingRpc = (call) => {
      const { fromEventId } = call.request as Message & { fromEventId: bigint };
      resumedFrom.push(fromEventId);
      if (fromEventId === 0n) {
        call.write(workflowEvent(0n, JobState.RUNNING));
        call.write(stepEvent(4n));
        call.emit("error", { code: grpc.status.UNAVAILABLE, details: "restarting" });
      } else {
        call.write(workflowEvent(5n, JobState.SUCCEEDED));
        call.end();
      }
    };
    upstream().rpcs["StreamWorkflowEvents"] = stream;
    const reader = readEvents(await gateway().fetch("/v1/workflows/w1/events"));
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      [undefined, "4", "5"],
    );
    assert.deepEqual(resumedFrom, [0n, 4n]);
  });

  it("cancels the stream of a client that has disconnected", async () => {
    const cancelled = deferred();
    const stream: StreamingRpc = (call) => {
      call.once("cancelled", () => cancelled.resolve());
      call.write(workflowEvent(0n, JobState.RUNNING));
    };
    upstream().rpcs["StreamWorkflowEvents"] = stream;
    const leaving = new AbortController();
    const reader = readEvents(await gateway().fetch("/v1/workflows/w1/events", { signal: leaving.signal }));
    await reader.next();
    leaving.abort();
    await cancelled.promise;
  });

  it("returns a large message", async () => {
    const large = workflowIn(JobState.RUNNING);
    large.stepStatuses[0]!.sequences = Array.from({ length: 5000 }, (_, sampleIndex) => ({
      $typeName: "foldforge.orchestrator.v1.DesignedSequence" as const,
      fasta: `>s${sampleIndex}\n${"MKV".repeat(400)}`,
      globalScore: 1,
      seqRecovery: 0.5,
      sampleIndex,
    }));
    upstream().rpcs["GetWorkflow"] = respondsWith(large);
    const response = await gateway().fetch("/v1/workflows/w1");
    assert.equal(response.status, 200);
    const { step_statuses } = (await response.json()) as { step_statuses: { sequences: unknown[] }[] };
    assert.equal(step_statuses[0]?.sequences.length, 5000);
  });
});
