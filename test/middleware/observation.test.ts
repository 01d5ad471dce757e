import assert from "node:assert/strict";
import { once } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import type { LogLine } from "../support/gateway.ts";
import { scrape } from "../support/metrics.ts";
import { sendText } from "../support/raw-http.ts";
import { jsonPost, oneStep, sha256, workflowEvent, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import { newTrace } from "../support/traced-stack.ts";

describe("observation", () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: ({ keyHash }) => ({
          allowed: keyHash !== sha256("wrong"),
          principal: keyHash === sha256("key-of-admin") ? "admin" : "alice",
        }),
        listWorkflows: () => ({}),
        rankDesigns() {
          throw new ConnectError("no", Code.Unavailable);
        },
        getWorkflow: () => workflowIn(JobState.RUNNING),
        retryWorkflow: () => workflowIn(JobState.QUEUED),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
      },
      { API_KEYS_ENABLED: "true", API_TOKEN_PREVIOUS: "the-previous-token" },
    ),
  );

  /** The first line of a completed request that matches, once it is written. */
  async function lineWith(isWanted: (line: LogLine) => boolean): Promise<LogLine> {
    const { gateway } = stack();
    for (;;) {
      const line = gateway.logs.find((it) => it.event === "request.completed" && isWanted(it));
      if (line !== undefined) return line;
      await once(gateway.logged, "line");
    }
  }

  /** The lines of completed requests while `act` runs. A line is written before the response to the next request. */
  async function linesDuring(act: () => Promise<Response>): Promise<LogLine[]> {
    const { gateway } = stack();
    const before = gateway.logs.length;
    await (await act()).text();
    await (await gateway.fetch("/v1/healthz")).text();
    const lines = gateway.logs.slice(before).filter(({ event }) => event === "request.completed");
    return lines.filter(({ path }) => path !== "/v1/healthz");
  }

  it("logs each request once, with its trace id and the workflow, and without its path", async () => {
    const id = "0af7651916cd43dd8448eb211c80319c";
    const lines = await linesDuring(() =>
      stack().gateway.fetch("/v1/workflows/id-of-the-client/retry", {
        method: "POST",
        headers: { traceparent: `00-${id}-00f067aa0ba902b7-01` },
      }),
    );
    assert.equal(lines.length, 1);
    const { trace_id, span_id, method, path, status, complete, workflow_id } = lines[0]!;
    assert.deepEqual(
      { trace_id, method, path, status, complete, workflow_id },
      {
        trace_id: id,
        method: "POST",
        path: "/v1/workflows/{id}/retry",
        status: 200,
        complete: true,
        workflow_id: "id-of-the-client",
      },
    );
    assert.match(String(span_id), /^(?!00f067aa0ba902b7)[0-9a-f]{16}$/);
    assert.ok(!stack().gateway.logText.includes("/id-of-the-client"));
  });

  for (const [about, token, actor, principal] of [
    ["an API key", "key-1", "alice", "alice"],
    ["an API key of a principal that is called admin", "key-of-admin", "admin", "admin"],
    ["the administrator", adminToken, "admin", undefined],
    ["the administrator's previous token", "the-previous-token", "admin-previous", undefined],
    ["a request without a token", null, "anonymous", undefined],
    ["a request with a wrong token", "wrong", "anonymous", undefined],
  ] as const)
    it(`logs the actor ${actor} and ${principal === undefined ? "no" : "the"} principal of ${about}`, async () => {
      const [line] = await linesDuring(() => stack().gateway.fetch("/v1/workflows/w1", { token }));
      assert.deepEqual([line!["actor"], line!["principal"]], [actor, principal]);
      assert.equal(line!["client_address"], "127.0.0.1");
      assert.equal(typeof line!["duration_ms"], "number");
    });

  for (const [about, path, init, workflowId] of [
    ["a submission", "/v1/workflows", jsonPost(oneStep), "w1"],
    ["a submission that is rejected", "/v1/workflows", jsonPost({}), undefined],
    ["an id that is not valid", "/v1/workflows/a%20b", {}, undefined],
    ["an id of an unknown caller", "/v1/workflows/w9", { token: null }, undefined],
    ["an id with an unknown method", "/v1/workflows/w9", { method: "PUT" }, undefined],
    ["an unknown path", "/v1/workflows/w9/x", {}, undefined],
    ["a list", "/v1/workflows", {}, undefined],
  ] as const)
    it(`logs ${workflowId === undefined ? "no" : "the"} workflow of ${about}`, async () => {
      const [line] = await linesDuring(() => stack().gateway.fetch(path, init));
      assert.equal(line!["workflow_id"], workflowId);
      assert.ok(!stack().gateway.logText.includes("w9"));
    });

  for (const [path, init, status, code] of [
    ["/v1/workflows/w1", {}, 200, undefined],
    ["/v1/workflows/w1", { token: null }, 401, "UNAUTHENTICATED"],
    ["/v1/workflows?page_size=0", {}, 400, "INVALID_ARGUMENT"],
    ["/nowhere", {}, 404, "NOT_FOUND"],
    ["/v1/workflows", { method: "PUT" }, 405, "INVALID_ARGUMENT"],
    ["/v1/workflows/w1/rank", jsonPost({ metric: "plddt" }), 503, "UNAVAILABLE"],
    ["/v1/billing/balance", {}, 403, "PERMISSION_DENIED"],
  ] as const)
    it(`logs the code ${code} with status ${status}`, async () => {
      const [line] = await linesDuring(() => stack().gateway.fetch(path, init));
      assert.deepEqual([line!["status"], line!["code"]], [status, code]);
    });

  it("logs the code of an error that an event stream ends with", async () => {
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      yield await Promise.resolve(workflowEvent(1n, JobState.RUNNING));
      throw new ConnectError("no", Code.Internal);
    };
    const response = await stack().gateway.fetch("/v1/workflows/w1/events");
    await assert.rejects(response.text());
    const line = await lineWith(({ path }) => path === "/v1/workflows/{id}/events");
    assert.deepEqual([line["status"], line["code"], line["complete"]], [200, "INTERNAL", false]);
  });

  it("logs the code of a body that is malformed", async () => {
    const head = ["POST /v1/workflows HTTP/1.1", "Host: x", `Authorization: Bearer ${adminToken}`];
    const more = ["Content-Type: application/json", "Transfer-Encoding: chunked", "User-Agent: malformed"];
    const response = await sendText(
      stack().gateway.url,
      `${[...head, ...more].join("\r\n")}\r\n\r\nnonsense\r\n`,
    );
    const line = await lineWith(({ user_agent }) => user_agent === "malformed");
    assert.deepEqual([line["status"], line["code"]], [400, "INVALID_ARGUMENT"]);
    assert.equal(line["bytes_out"], response.slice(response.indexOf("\r\n\r\n") + 4).length);
  });

  for (const [what, given, expected] of [
    ["a user agent", "cli/1 (x; y)", "cli/1 (x; y)"],
    ["a long user agent, truncated", "y".repeat(3000), "y".repeat(256)],
    ["quotes and letters outside ASCII", 'a"b\\c\u00e9', 'a"b\\c\u00e9'],
  ] as const)
    it(`logs ${what}`, async () => {
      const [line] = await linesDuring(() =>
        stack().gateway.fetch("/v1/workflows/w1", { headers: { "User-Agent": given } }),
      );
      assert.equal(line!["user_agent"], expected);
    });

  it("logs no user agent if there is none", async () => {
    const id = newTrace();
    await sendText(
      stack().gateway.url,
      `GET /v1/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\ntraceparent: ${id.headers.traceparent}\r\n\r\n`,
    );
    const line = await lineWith(({ trace_id }) => trace_id === id.traceId);
    assert.equal("user_agent" in line, false);
  });

  it("counts each request by method, path and status", async () => {
    const { gateway } = stack();
    const series = 'foldforge_gateway_http_requests_total{method="POST",path="/v1/workflows",status="201"}';
    const count = async () => (await scrape(gateway.url)).get(series) ?? 0;
    const before = await count();
    for (let sent = 0; sent < 3; sent += 1)
      await (await gateway.fetch("/v1/workflows", jsonPost(oneStep))).text();
    assert.equal(await count(), before + 3);
  });
});
