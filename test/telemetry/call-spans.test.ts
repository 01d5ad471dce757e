import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { runWorkflow } from "../support/running-workflow.ts";
import { jsonPost, oneStep, sha256, workflowIn } from "../support/samples.ts";
import { callsDuring } from "../support/stack.ts";
import { callName, markTime, newTrace, spanNamed, startTracedStack } from "../support/traced-stack.ts";

describe("callSpans", () => {
  const stack = suite(() =>
    startTracedStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        consumeQuota: () => ({ allowed: true, limit: 0n, used: 1n, principal: "alice" }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
      },
      { API_KEYS_ENABLED: "true" },
    ),
  );

  it("makes the span of each call a child of the request's span, and sends it to the orchestrator", async () => {
    const { gateway, upstream, collector } = stack();
    const { traceId, spanId, headers } = newTrace();
    const init = { ...jsonPost(oneStep, { ...headers, tracestate: "vendor=1" }), token: "a-key" };
    const calls = await callsDuring(upstream, async () =>
      (await gateway.fetch("/v1/workflows", init)).text(),
    );
    const spans = await collector.trace(traceId, 4);
    assert.equal(spans.length, 4);
    const server = spanNamed(spans, "POST /v1/workflows");
    assert.equal(server.parentSpanId, spanId);
    assert.deepEqual(
      calls.map(({ rpc }) => rpc),
      ["AuthenticateApiKey", "ConsumeQuota", "SubmitWorkflow"],
    );
    for (const { rpc, metadata } of calls) {
      const span = spanNamed(spans, callName(rpc));
      assert.equal(span.kind, "client");
      assert.equal(span.parentSpanId, server.spanId);
      // The SDK cuts off the fraction of a millisecond of each span's start, and adds its whole duration.
      assert.ok(
        server.start <= span.start && span.start < span.end && span.end <= server.end + 1_000_000n,
        rpc,
      );
      assert.deepEqual(span.attributes, {
        "rpc.system.name": "grpc",
        "rpc.method": callName(rpc),
        "rpc.status_code": "OK",
        "server.address": "127.0.0.1",
        "server.port": Number(new URL(upstream.url).port),
      });
      assert.equal(span.isError, false);
      assert.equal(metadata.get("traceparent"), `00-${traceId}-${span.spanId}-01`);
      assert.equal(metadata.get("tracestate"), "vendor=1");
      assert.equal(metadata.get("ff-principal"), rpc === "AuthenticateApiKey" ? null : "alice");
      assert.notEqual(metadata.get("grpc-timeout"), null);
    }
    const text = JSON.stringify(spans.map(({ attributes }) => attributes));
    for (const secret of ["a-key", sha256("a-key")]) assert.ok(!text.includes(secret));
    const lines = gateway.logs.filter(({ trace_id }) => trace_id === traceId);
    assert.deepEqual(
      lines.map(({ event, span_id }) => [event, span_id]),
      ["workflow.submit", "workflow.submitted", "request.completed"].map((event) => [event, server.spanId]),
    );
  });

  it("marks the span of a failed call as an error, with its code", async () => {
    stack().upstream.rpcs.cancelWorkflow = () => {
      throw new ConnectError("secret-of-the-orchestrator", Code.NotFound);
    };
    const { traceId, headers } = newTrace();
    await (await stack().gateway.fetch("/v1/workflows/w1", { method: "DELETE", headers })).text();
    const span = spanNamed(await stack().collector.trace(traceId, 2), callName("CancelWorkflow"));
    assert.equal(span.attributes["rpc.status_code"], "NOT_FOUND");
    assert.equal(span.attributes["error.type"], "NOT_FOUND");
    assert.equal(span.isError, true);
  });

  it("makes the span of the readiness probe's call a child of the request's span", async () => {
    stack().upstream.rpcs.listWorkflows = () => ({});
    const { traceId, headers } = newTrace();
    await (await stack().gateway.fetch("/v1/readyz", { headers })).text();
    const spans = await stack().collector.trace(traceId, 2);
    const server = spanNamed(spans, "GET /v1/readyz");
    assert.equal(spanNamed(spans, callName("ListWorkflows")).parentSpanId, server.spanId);
  });

  it("ends the span of a stream when the client disconnects, without an error", async () => {
    const { gateway, upstream, collector } = stack();
    const run = runWorkflow(upstream);
    const client = new AbortController();
    const { traceId, headers } = newTrace();
    const reader = readEvents(
      await gateway.fetch("/v1/workflows/w1/events", { headers, signal: client.signal }),
    );
    await run.followed;
    const endedLater = await markTime(stack());
    client.abort();
    await reader.ended;
    const span = spanNamed(await collector.trace(traceId, 2), callName("StreamWorkflowEvents"));
    assert.ok(endedLater(span));
    assert.equal(span.attributes["rpc.status_code"], "CANCELLED");
    assert.equal("error.type" in span.attributes, false);
    assert.equal(span.isError, false);
  });

  it("sends the flags of an unsampled trace, and exports nothing", async () => {
    const { gateway, upstream, collector } = stack();
    upstream.rpcs.getWorkflow = () => workflowIn(JobState.QUEUED);
    const unsampled = newTrace("00");
    const { headers } = unsampled;
    const calls = await callsDuring(upstream, async () =>
      (await gateway.fetch("/v1/workflows/w1", { headers })).text(),
    );
    const traceparents = calls.map(({ metadata }) => metadata.get("traceparent"));
    assert.match(
      traceparents.join(),
      new RegExp(`^00-${unsampled.traceId}-(?!${unsampled.spanId})[0-9a-f]{16}-00$`),
    );
    const sampled = newTrace();
    await (await gateway.fetch("/v1/healthz", { headers: sampled.headers })).text();
    await collector.trace(sampled.traceId, 1);
    assert.ok(!collector.spans.some(({ traceId }) => traceId === unsampled.traceId));
  });

  for (const [sampler, ofClient, exported, flags] of [
    ["always_on", "00", 2, "01"],
    ["always_off", "01", 0, "00"],
    ["parentbased_always_off", "01", 2, "01"],
  ] as const)
    it(`obeys the sampler ${sampler} if the client sends ${ofClient}`, async () => {
      const { upstream, gateway, collector, close } = await startTracedStack(
        { getWorkflow: () => workflowIn(JobState.QUEUED) },
        { OTEL_TRACES_SAMPLER: sampler },
      );
      await (await gateway.fetch("/v1/workflows/w1", { headers: newTrace(ofClient).headers })).text();
      await close();
      assert.equal(upstream.calls[0]?.metadata.get("traceparent")?.slice(-2), flags);
      assert.equal(collector.spans.length, exported);
    });
});
