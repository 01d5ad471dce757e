import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { upstreamOperations } from "../support/operations.ts";
import { jsonPost, oneStep, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;

/** Headers of a client that must not reach the upstream. */
const smuggled = {
  "ff-principal": "mallory",
  "FF-Admin": "true",
  "grpc-timeout": "9999H",
  "grpc-trace-bin": "AAAA",
  "x-anything": "1",
  "x-forwarded-for": "10.0.0.1",
  "x-request-id": "1",
  cookie: "a=b",
  baggage: "a=b",
};

/** The metadata of every gRPC call. */
const transport = ["content-type", "te", "user-agent", "grpc-accept-encoding", "accept-encoding"];

describe("trace", () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        consumeQuota: () => ({ allowed: true, limit: 5n, used: 1n }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
      },
      { API_KEYS_ENABLED: "true" },
    ),
  );

  const traceIdOf = (metadata: Headers) =>
    /^00-([0-9a-f]{32})-[0-9a-f]{16}-01$/.exec(metadata.get("traceparent") ?? "")?.[1];

  it("continues the client's trace in calls, the log and the error", async () => {
    const { gateway, upstream } = stack();
    upstream.rpcs.submitWorkflow = () => {
      throw new ConnectError("no", Code.Internal);
    };
    const calls = await callsDuring(upstream, async () => {
      const init = jsonPost(oneStep, { traceparent, tracestate: "vendor=1" });
      const response = await gateway.fetch("/v1/workflows", { ...init, token: "key-1" });
      assert.equal(((await response.json()) as { trace_id: string }).trace_id, traceId);
    });
    assert.deepEqual(
      calls.map(({ rpc }) => rpc),
      ["AuthenticateApiKey", "ConsumeQuota", "SubmitWorkflow"],
    );
    for (const { metadata } of calls) {
      assert.equal(traceIdOf(metadata), traceId);
      assert.ok(!metadata.get("traceparent")?.includes("00f067aa0ba902b7"));
      assert.equal(metadata.get("tracestate"), "vendor=1");
    }
    assert.ok(gateway.logs.some(({ event, trace_id }) => event === "request.failed" && trace_id === traceId));
  });

  for (const bad of [
    undefined,
    "",
    "nonsense",
    `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
    `${traceparent}-more`,
  ]) {
    it(`starts a trace for ${JSON.stringify(bad)}`, async () => {
      stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.QUEUED);
      const headers = bad === undefined ? {} : { traceparent: bad, tracestate: "vendor=1" };
      const [call] = await callsDuring(stack().upstream, () =>
        stack().gateway.fetch("/v1/workflows/w1", { headers }),
      );
      const minted = traceIdOf(call!.metadata);
      assert.ok(minted);
      assert.notEqual(minted, traceId);
      assert.equal(call!.metadata.get("tracestate"), null);
    });
  }

  it("starts another trace for each request", async () => {
    const ids = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const response = await stack().gateway.fetch("/nowhere");
        return ((await response.json()) as { trace_id: string }).trace_id;
      }),
    );
    assert.equal(new Set(ids).size, 5);
  });

  describe("the metadata of calls", () => {
    for (const { id, path, init, rpc, safe } of upstreamOperations) {
      for (const principal of init.token === undefined ? ["alice", undefined] : ["alice"]) {
        it(`of ${id}${safe ? "" : ", not safe to repeat,"} for ${principal ?? "the admin"} is exactly what the gateway sets`, async () => {
          stack().upstream.rpcs[rpc] = () => {
            throw new ConnectError("seen", Code.NotFound);
          };
          const headers = new Headers(init.headers);
          for (const [name, value] of Object.entries(smuggled)) headers.set(name, value);
          const calls = await callsDuring(stack().upstream, () =>
            stack().gateway.fetch(path, {
              ...init,
              headers,
              ...(principal === undefined ? {} : { token: "alices" }),
            }),
          );
          assert.ok(calls.length > 0);
          for (const { rpc: called, metadata } of calls) {
            const names = [...metadata.keys()].filter((name) => !transport.includes(name)).sort();
            // A stream has no deadline, and a key is looked up before its principal is known.
            const expected = [
              ...(principal !== undefined && called !== "AuthenticateApiKey" ? ["ff-principal"] : []),
              ...(called === "StreamWorkflowEvents" ? [] : ["grpc-timeout"]),
              "traceparent",
            ];
            assert.deepEqual(names, expected, called);
            if (expected.includes("ff-principal")) assert.equal(metadata.get("ff-principal"), principal);
            if (expected.includes("grpc-timeout")) assert.notEqual(metadata.get("grpc-timeout"), "9999H");
          }
        });
      }
    }
  });
});
