import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { Message } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { ListWorkflowsResponseSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { startTestGateway } from "../support/gateway.ts";
import { startGrpcJsOrchestrator } from "../support/grpc-js-orchestrator.ts";
import type { GrpcJsOrchestrator, StreamingRpc, UnaryRpc } from "../support/grpc-js-orchestrator.ts";
import { jsonPost, oneStep, stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";

/** What servers built on gRPC's core say of every call that is open when their time to shut down is up. */
const cancelled = { code: grpc.status.CANCELLED, details: "Pending calls are CANCELLED on server shut-down" };

/** Each unary request, and whether it only reads. */
const requests = [
  ["GetWorkflow", "/v1/workflows/w1", {}, true],
  ["ListWorkflows", "/v1/workflows", {}, true],
  ["SubmitWorkflow", "/v1/workflows", jsonPost(oneStep), false],
  ["CancelWorkflow", "/v1/workflows/w1", { method: "DELETE" }, false],
  ["RetryWorkflow", "/v1/workflows/w1/retry", { method: "POST" }, false],
] as const;

/** Has every call hang until `cancelAll`; a stream brings an event before. Resolves once `count` calls are there. */
function hangAll({ rpcs }: GrpcJsOrchestrator, count: number) {
  const pending: (() => void)[] = [];
  const begun = Promise.withResolvers<undefined>();
  const add = (cancel: () => void) => {
    if (pending.push(cancel) === count) begun.resolve(undefined);
  };
  const unary: UnaryRpc = (_call, callback) => add(() => callback(cancelled));
  const stream: StreamingRpc = (call) => {
    call.write(stepEvent(5n));
    add(() => void call.emit("error", cancelled));
  };
  for (const [rpc] of requests) rpcs[rpc] = unary;
  rpcs["StreamWorkflowEvents"] = stream;
  return { begun: begun.promise, cancelAll: () => pending.forEach((cancel) => cancel()) };
}

/** Responds to every call; a stream resumes after the requested event. Returns the list of the calls' RPCs. */
function respondToAll({ rpcs }: GrpcJsOrchestrator): string[] {
  const calls: string[] = [];
  const running = workflowIn(JobState.RUNNING);
  for (const [rpc] of requests)
    rpcs[rpc] = ((_call, callback) => {
      calls.push(rpc);
      callback(null, rpc === "ListWorkflows" ? create(ListWorkflowsResponseSchema) : running);
    }) satisfies UnaryRpc;
  rpcs["StreamWorkflowEvents"] = ((call) => {
    calls.push(`from ${(call.request as Message & { fromEventId: bigint }).fromEventId}`);
    call.write(workflowEvent(6n, JobState.SUCCEEDED));
    call.end();
  }) satisfies StreamingRpc;
  return calls;
}

describe("an orchestrator that shuts down gracefully", () => {
  /** A gateway with every request in flight, and an event stream. */
  async function startInFlight() {
    const first = await startGrpcJsOrchestrator();
    const { begun, cancelAll } = hangAll(first, requests.length + 1);
    const gateway = await startTestGateway(
      { ORCHESTRATOR_ENDPOINT: first.url },
      { retryPolicy: { maxRetries: 3, backoffMs: () => 0, idleTimeoutMs: 30 } },
    );
    const responses = Promise.all(requests.map(([, path, init]) => gateway.fetch(path, init)));
    const reader = readEvents(await gateway.fetch("/v1/workflows/w1/events"));
    await reader.next();
    await begun;
    return {
      first,
      port: Number(new URL(first.url).port),
      responses,
      reader,
      cancelAll,
      async [Symbol.asyncDispose]() {
        await gateway.close();
        await first.close();
      },
    };
  }

  async function assertUnavailable(response: Response) {
    assert.equal(response.status, 503);
    const { code, retryable } = (await response.json()) as { code: string; retryable: boolean };
    assert.deepEqual([code, retryable], ["UNAVAILABLE", true]);
    assert.ok(response.headers.get("retry-after"));
  }

  it("does not affect reads and event streams if its replacement runs; other requests return 503", async () => {
    await using cleanup = new AsyncDisposableStack();
    const { first, port, responses, reader, cancelAll } = cleanup.use(await startInFlight());
    first.drain();
    const second = await startGrpcJsOrchestrator(port);
    cleanup.defer(second.close);
    const calls = respondToAll(second);
    cancelAll();

    for (const [index, response] of (await responses).entries()) {
      if (requests[index]?.[3] === true) assert.equal(response.status, 200);
      else await assertUnavailable(response);
    }
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(
      reader.events.map(({ event, id }) => [event, id]),
      [
        ["step_update", "5"],
        ["workflow_update", "6"],
      ],
    );
    assert.deepEqual(calls.sort(), ["GetWorkflow", "ListWorkflows", "from 5"]);
  });

  it("makes every request in flight return 503 if it has no replacement", async () => {
    await using inFlight = await startInFlight();
    const { first, responses, reader, cancelAll } = inFlight;
    first.drain();
    cancelAll();
    for (const response of await responses) await assertUnavailable(response);
    assert.equal(await reader.ended, "broken");
  });
});
