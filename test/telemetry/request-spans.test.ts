import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { readEvents } from "../support/event-reader.ts";
import { hang } from "../support/hang.ts";
import { startTestStore, storeSettings } from "../support/object-store.ts";
import type { ReceivedSpan } from "../support/otlp.ts";
import { sendPath, sendText } from "../support/raw-http.ts";
import { runWorkflow } from "../support/running-workflow.ts";
import { workflowIn } from "../support/samples.ts";
import { markTime, newTrace, startDisposableTracedStack, startTracedStack } from "../support/traced-stack.ts";

const sha256 = "0".repeat(64);
const artifact = { uri: "r2://foldforge/a.pdb", contentType: "chemical/x-pdb", sizeBytes: 400_000n, sha256 };
const half = Buffer.alloc(200_000);

describe("requestSpans", () => {
  const store = suite(startTestStore);
  const stack = suite(() => startTracedStack({}, storeSettings(store())));

  /** The span of a request that is sent by raw means, once it is exported. */
  async function spanOf(send: (headers: Record<string, string>) => Promise<unknown>) {
    const { traceId, spanId, headers } = newTrace();
    await send(headers);
    const span = await stack().collector.find((it) => it.traceId === traceId && it.kind === "server");
    assert.equal(span.parentSpanId, spanId);
    return span;
  }

  /** The same for a request that is sent with fetch and whose response is read. */
  const spanOfFetch = (path: string, init: RequestInit = {}) =>
    spanOf(async (traced) => {
      const headers = { ...traced, ...(init.headers as Record<string, string> | undefined) };
      await (await stack().gateway.fetch(path, { ...init, headers })).text();
    });

  it("has the attributes of the conventions, the client's span as parent, and no query", async () => {
    stack().upstream.rpcs.listWorkflows = () => ({});
    const before = BigInt(Date.now()) * 1_000_000n;
    const span = await spanOfFetch("/v1/workflows?page_token=secret", { headers: { "User-Agent": "cli/1" } });
    assert.equal(span.kind, "server");
    assert.equal(span.name, "GET /v1/workflows");
    assert.equal(span.isError, false);
    assert.ok(before <= span.start && span.start < span.end, `${span.start} to ${span.end}`);
    assert.deepEqual(span.attributes, {
      "http.request.method": "GET",
      "http.route": "/v1/workflows",
      "http.response.status_code": 200,
      "url.path": "/v1/workflows",
      "url.scheme": "http",
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(stack().gateway.url).port),
      "client.address": "127.0.0.1",
      "network.protocol.version": "1.1",
      "user_agent.original": "cli/1",
    });
    assert.deepEqual(span.resource["service.name"], "foldforge-gateway");
    assert.match(String(span.resource["service.version"]), /^\d+\.\d+\.\d+$/);
  });

  it("has the client's address and the scheme that a trusted proxy names, and the scheme's port", async () => {
    await using own = await startDisposableTracedStack({}, { TRUSTED_PROXIES: "loopback" });
    const { traceId, headers } = newTrace();
    await sendPath(own.gateway.url, "/v1/healthz", {
      headers: {
        ...headers,
        host: "gateway.example",
        "X-Forwarded-For": "1.2.3.4, 2001:db8::9",
        "X-Forwarded-Proto": "https",
      },
    });
    const [span] = await own.collector.trace(traceId, 1);
    assert.equal(span?.attributes["client.address"], "2001:db8::9");
    assert.equal(span.attributes["url.scheme"], "https");
    assert.equal(span.attributes["server.address"], "gateway.example");
    assert.equal(span.attributes["server.port"], 443);
  });

  it("is the root of a trace without a traceparent, which the error body names", async () => {
    const response = await stack().gateway.fetch("/nowhere");
    const { trace_id } = (await response.json()) as { trace_id: string };
    const [span] = await stack().collector.trace(trace_id, 1);
    assert.equal(span?.parentSpanId, "");
    assert.equal(span.name, "GET");
    assert.equal(span.attributes["url.path"], "/nowhere");
    assert.equal("http.route" in span.attributes, false);
  });

  it("has the span_id of the log lines", async () => {
    const span = await spanOfFetch("/v1/healthz");
    const line = stack().gateway.logs.find(({ trace_id }) => trace_id === span.traceId);
    assert.equal(line?.["span_id"], span.spanId);
  });

  it("has the route of an unknown method, whose name is not in the name of the span", async () => {
    assert.equal((await spanOfFetch("/v1/healthz", { method: "PUT" })).name, "PUT /v1/healthz");
    const odd = await spanOf((headers) =>
      sendPath(stack().gateway.url, "/v1/healthz", { method: "PURGE", headers }),
    );
    assert.equal(odd.name, "HTTP /v1/healthz");
    assert.equal(odd.attributes["http.request.method"], "_OTHER");
    assert.equal(odd.attributes["http.request.method_original"], "PURGE");
  });

  for (const [code, status, isError] of [
    [Code.NotFound, 404, false],
    [Code.ResourceExhausted, 429, false],
    [Code.Unavailable, 503, true],
    [Code.Internal, 500, true],
  ] as const)
    it(`${isError ? "is" : "is not"} an error with status ${status}`, async () => {
      stack().upstream.rpcs.listWorkflows = () => {
        throw new ConnectError("no", code);
      };
      const span = await spanOfFetch("/v1/workflows");
      assert.equal(span.attributes["http.response.status_code"], status);
      assert.equal(span.isError, isError);
      assert.equal(span.attributes["error.type"], isError ? String(status) : undefined);
    });

  for (const [host, address, port] of [
    ["Gateway.example", "Gateway.example", 80],
    ["[::1]:8443", "::1", 8443],
    ["user@host:1:2", undefined, undefined],
  ] as const)
    it(`reads the host ${host} as ${address}, port ${port}`, async () => {
      const { attributes } = await spanOf((headers) =>
        sendPath(stack().gateway.url, "/v1/healthz", { headers: { ...headers, host } }),
      );
      assert.equal(attributes["server.address"], address);
      assert.equal(attributes["server.port"], port);
    });

  it("truncates the values that a client chooses", async () => {
    const path = `/${"x".repeat(3000)}`;
    const { attributes } = await spanOfFetch(path, { headers: { "User-Agent": "y".repeat(3000) } });
    assert.equal(attributes["url.path"], path.slice(0, 256));
    assert.equal(attributes["user_agent.original"], "y".repeat(256));
  });

  it("is an error without a status if the client disconnects before the response", async () => {
    const { started } = hang(stack().upstream, "getWorkflow");
    const client = new AbortController();
    const span = await spanOf(async (headers) => {
      const response = stack().gateway.fetch("/v1/workflows/w1", { headers, signal: client.signal });
      await started;
      client.abort();
      await assert.rejects(response);
    });
    assert.equal(span.name, "GET /v1/workflows/{id}");
    assert.equal("http.response.status_code" in span.attributes, false);
    assert.equal(span.attributes["error.type"], "client_disconnected");
    assert.equal(span.isError, true);
  });

  it("has the status of a request that was rejected before it was complete", async () => {
    const lines = ["POST /v1/workflows HTTP/1.1", "Host: x", `Authorization: Bearer ${adminToken}`];
    const span = await spanOf(({ traceparent = "" }) => {
      const headers = [
        ...lines,
        `traceparent: ${traceparent}`,
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
      ];
      return sendText(stack().gateway.url, `${headers.join("\r\n")}\r\n\r\nnonsense\r\n`);
    });
    assert.equal(span.attributes["http.response.status_code"], 400);
    assert.equal(span.isError, false);
  });

  describe("of a download", () => {
    beforeEach("serve one artifact", () => {
      stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [artifact]);
    });

    it("is an error if the client disconnects", async () => {
      store().respond = (_req, res) => res.writeHead(200, { "Content-Length": 400_000 }).write(half);
      const client = new AbortController();
      const span = await spanOf(async (headers) => {
        const { signal } = client;
        const response = await stack().gateway.fetch("/v1/workflows/w1/artifacts/a.pdb", { headers, signal });
        client.abort();
        await assert.rejects(response.text());
      });
      assert.equal(span.attributes["http.response.status_code"], 200);
      assert.equal(span.attributes["error.type"], "client_disconnected");
      assert.equal(span.isError, true);
    });

    it("is an error if the gateway aborts it", async () => {
      store().respond = (_req, res) => {
        res.writeHead(200, { "Content-Length": 400_000 });
        res.write(half, () => res.destroy());
      };
      const span = await spanOf(async (headers) => {
        const response = await stack().gateway.fetch("/v1/workflows/w1/artifacts/a.pdb", { headers });
        await assert.rejects(response.text());
      });
      assert.equal(span.attributes["http.response.status_code"], 200);
      assert.equal(span.attributes["error.type"], "response_aborted");
      assert.equal(span.isError, true);
    });
  });

  describe("of an event stream", () => {
    const follow = (headers: Record<string, string>, signal?: AbortSignal) =>
      stack().gateway.fetch("/v1/workflows/w1/events", { headers, ...(signal ? { signal } : {}) });

    it("ends with the stream", async () => {
      const run = runWorkflow(stack().upstream);
      let endedLater: (span: ReceivedSpan) => boolean = () => false;
      const span = await spanOf(async (headers) => {
        const reader = readEvents(await follow(headers));
        await run.followed;
        endedLater = await markTime(stack());
        run.end();
        await reader.ended;
      });
      assert.ok(endedLater(span));
      assert.equal(span.isError, false);
      assert.equal(span.attributes["http.response.status_code"], 200);
    });

    it("is not an error if the client disconnects", async () => {
      const run = runWorkflow(stack().upstream);
      const client = new AbortController();
      const span = await spanOf(async (headers) => {
        const reader = readEvents(await follow(headers, client.signal));
        await run.followed;
        client.abort();
        await reader.ended;
      });
      assert.equal(span.isError, false);
      assert.equal("error.type" in span.attributes, false);
    });

    it("is an error if the workflow cannot be followed any longer", async () => {
      stack().upstream.rpcs.streamWorkflowEvents = async function* () {
        yield await Promise.resolve({ eventId: 1n, event: { case: "stepUpdate", value: { stepId: "a" } } });
        throw new ConnectError("gone", Code.NotFound);
      };
      const span = await spanOf(async (headers) => readEvents(await follow(headers)).ended);
      assert.equal(span.attributes["error.type"], "response_aborted");
      assert.equal(span.isError, true);
    });
  });

  it("is not exported if the client has not sampled the trace", async () => {
    const unsampled = newTrace("00");
    await (await stack().gateway.fetch("/v1/healthz", { headers: unsampled.headers })).text();
    await spanOfFetch("/v1/healthz");
    assert.ok(!stack().collector.spans.some(({ traceId }) => traceId === unsampled.traceId));
    const lines = stack().gateway.logs.filter(({ trace_id }) => trace_id === unsampled.traceId);
    assert.match(String(lines[0]?.["span_id"]), /^[0-9a-f]{16}$/);
  });
});
