import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { sendPath, sendText } from "../support/raw-http.ts";
import { jsonPost, oneStep, sha256, workflowEvent, workflowIn } from "../support/samples.ts";
import { startDisposableStack, startStack } from "../support/stack.ts";

const page = "https://console.example";
const file = Buffer.from("ATOM");
const artifact = { uri: "r2://foldforge/a.pdb", sizeBytes: BigInt(file.length), sha256: sha256(file) };
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const traced = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, "X-Request-Id": "of-the-client" };

const workflow = "/v1/workflows/w1";
const download = `${workflow}/artifacts/a.pdb`;

/** A request and the status that it gets. */
interface Kind {
  readonly status: number;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly token?: null;
  readonly isAtMetricsAddress?: boolean;
}

const submission = jsonPost(oneStep);
const kinds: Kind[] = [
  { status: 200, path: workflow },
  { status: 200, path: workflow, method: "HEAD" },
  { status: 200, path: workflow, method: "DELETE" },
  { status: 201, path: "/v1/workflows", ...submission },
  { status: 200, path: `${workflow}/events` },
  { status: 204, path: `${workflow}/events`, headers: { "Last-Event-ID": "9" } },
  { status: 200, path: download },
  { status: 200, path: download, method: "HEAD" },
  { status: 206, path: download, headers: { Range: "bytes=0-1" } },
  { status: 304, path: download, headers: { "If-None-Match": `"${artifact.sha256}"` } },
  { status: 416, path: download, headers: { Range: "bytes=9-" } },
  { status: 412, path: download, headers: { "If-Match": '"x"' } },
  { status: 200, path: "/v1/healthz", token: null },
  { status: 200, path: "/v1/readyz", token: null },
  { status: 200, path: "/metrics", token: null, isAtMetricsAddress: true },
  { status: 404, path: "/v1/healthz", token: null, isAtMetricsAddress: true },
  { status: 200, path: "/docs", token: null },
  { status: 200, path: "/docs/page.css", token: null },
  { status: 200, path: "/v1/openapi.json", token: null, headers: { "Accept-Encoding": "gzip" } },
  { status: 204, path: workflow, method: "OPTIONS", headers: { "Access-Control-Request-Method": "GET" } },
  { status: 400, path: "/v1/workflows?page_size=0" },
  { status: 400, path: "/v1/workflows/%ff" },
  { status: 400, path: "/v1/workflows", ...submission, body: "{" },
  { status: 400, path: workflow, headers: { Expect: "x" } },
  { status: 401, path: workflow, token: null },
  { status: 403, path: "/v1/billing/balance" },
  { status: 404, path: "/nowhere" },
  { status: 404, path: "/nowhere", method: "HEAD" },
  { status: 405, path: workflow, method: "PUT" },
  { status: 413, path: "/v1/workflows", ...submission, body: "x".repeat(1024 * 1024 + 1) },
  { status: 414, path: `/${"x".repeat(8200)}` },
  { status: 415, path: "/v1/workflows", method: "POST", body: "x" },
  { status: 429, path: `${workflow}/retry`, method: "POST" },
  { status: 431, path: workflow, headers: { "X-Large": "x".repeat(17_000) } },
  { status: 500, path: "/v1/workflows" },
];

describe("X-Request-Id", () => {
  const stack = suite(async () => {
    const store = await startTestStore();
    store.respond = serveBytes(file);
    const fail = (code: Code) => () => {
      throw new ConnectError("no", code);
    };
    const started = await startStack(
      {
        getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]),
        cancelWorkflow: () => workflowIn(JobState.CANCELLED),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
        retryWorkflow: fail(Code.ResourceExhausted),
        listWorkflows({ pageSize }) {
          if (pageSize === 1) return {};
          throw new ConnectError("no", Code.Internal);
        },
        async *streamWorkflowEvents({ fromEventId }) {
          await Promise.resolve();
          if (fromEventId < 9n) yield workflowEvent(9n, JobState.SUCCEEDED);
        },
      },
      { METRICS_ADDR: "127.0.0.1:0", CORS_ALLOWED_ORIGINS: page, ...storeSettings(store) },
    );
    return {
      ...started,
      async close() {
        await started.close();
        await store.close();
      },
    };
  });

  /** The header of the response, and the trace id in its body. */
  async function send(
    { status, path, token, isAtMetricsAddress, ...init }: Kind,
    more: Record<string, string>,
  ) {
    const { gateway } = stack();
    const authorization = token === null ? {} : { Authorization: `Bearer ${adminToken}` };
    const headers = { Origin: page, ...authorization, ...init.headers, ...more };
    const url = String(isAtMetricsAddress === true ? gateway.metricsUrl : gateway.url);
    if (init.body !== undefined) {
      const response = await fetch(url + path, { ...init, headers });
      assert.equal(response.status, status);
      const { trace_id } = (await response.json()) as { trace_id?: string };
      return { requestId: response.headers.get("X-Request-Id"), inBody: trace_id };
    }
    const response = await sendPath(url, path, { ...init, headers });
    assert.equal(response.status, status);
    const inBody = /"trace_id":"([^"]*)"/.exec(response.body)?.[1];
    return { requestId: response.headers["x-request-id"], inBody };
  }

  for (const kind of kinds) {
    const { status, path, method = "GET" } = kind;
    it(`is in a ${status} to ${method} ${path.slice(0, 40)}: the client's trace id, or another for each request`, async () => {
      const own = await send(kind, traced);
      assert.equal(own.requestId, traceId);
      const minted = await Promise.all([send(kind, { "X-Request-Id": traceId }), send(kind, {})]);
      for (const { requestId } of minted) assert.match(String(requestId), /^[0-9a-f]{32}$/);
      assert.equal(new Set([own, ...minted].map(({ requestId }) => requestId)).size, 3);
      for (const { requestId, inBody } of [own, ...minted])
        if (inBody !== undefined) assert.equal(inBody, requestId);
    });
  }

  for (const [what, text] of [
    ["bytes that are no HTTP", "nonsense\r\n\r\n"],
    ["CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["headers that Node does not read", `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(40_000)}\r\n\r\n`],
  ] as const)
    it(`is in the response to ${what}, as in its body and in the log`, async () => {
      const { gateway } = stack();
      const received = await sendText(gateway.url, text);
      const [, requestId] = /\r\nX-Request-Id: ([0-9a-f]{32})\r\n/.exec(received) ?? [];
      assert.ok(requestId);
      assert.ok(received.includes(`"trace_id":"${requestId}"`));
      assert.ok(gateway.logs.some(({ trace_id }) => trace_id === requestId));
    });

  it("is in the 503 of load shedding", async () => {
    await using full = await startDisposableStack({}, { MAX_REQUESTS_IN_FLIGHT: "1" });
    const { started } = hang(full.upstream, "getWorkflow");
    const leaving = new AbortController();
    const first = full.gateway.fetch(workflow, { signal: leaving.signal });
    await started;
    for (const [headers, expected] of [
      [traced, new RegExp(`^${traceId}$`)],
      [{ "X-Request-Id": "of-the-client" }, /^[0-9a-f]{32}$/],
    ] as const) {
      const rejected = await full.gateway.fetch(workflow, { headers });
      assert.equal(rejected.status, 503);
      assert.match(String(rejected.headers.get("X-Request-Id")), expected);
    }
    leaving.abort();
    await assert.rejects(first, { name: "AbortError" });
  });
});
