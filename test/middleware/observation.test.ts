import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import type { LogLine } from "../support/gateway.ts";
import { scrape } from "../support/metrics.ts";
import { jsonPost, oneStep, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";

describe("observation", () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        getWorkflow: () => workflowIn(JobState.RUNNING),
        retryWorkflow: () => workflowIn(JobState.QUEUED),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
      },
      { API_KEYS_ENABLED: "true" },
    ),
  );

  /** The lines of completed requests while `act` runs. A line is written before the response to the next request. */
  async function linesDuring(act: () => Promise<Response>): Promise<LogLine[]> {
    const { gateway } = stack();
    const before = gateway.logs.length;
    await (await act()).text();
    await (await gateway.fetch("/v1/healthz")).text();
    const lines = gateway.logs.slice(before).filter(({ event }) => event === "request.completed");
    return lines.filter(({ path }) => path !== "/v1/healthz");
  }

  it("logs each request once, with its trace id and without its path", async () => {
    const id = "0af7651916cd43dd8448eb211c80319c";
    const lines = await linesDuring(() =>
      stack().gateway.fetch("/v1/workflows/id-of-the-client/retry", {
        method: "POST",
        headers: { traceparent: `00-${id}-00f067aa0ba902b7-01` },
      }),
    );
    assert.equal(lines.length, 1);
    const { trace_id, span_id, method, path, status, complete } = lines[0]!;
    assert.deepEqual(
      { trace_id, method, path, status, complete },
      { trace_id: id, method: "POST", path: "/v1/workflows/{id}/retry", status: 200, complete: true },
    );
    assert.match(String(span_id), /^(?!00f067aa0ba902b7)[0-9a-f]{16}$/);
    assert.ok(!stack().gateway.logText.includes("id-of-the-client"));
  });

  for (const [about, token, principal] of [
    ["an API key", "key-1", "alice"],
    ["the administrator", adminToken, undefined],
    ["a request without a token", null, undefined],
  ] as const)
    it(`logs ${principal === undefined ? "no principal" : "the principal"} of ${about}`, async () => {
      const [line] = await linesDuring(() => stack().gateway.fetch("/v1/workflows/w1", { token }));
      assert.equal(line!["principal"], principal);
      assert.equal(typeof line!["duration_ms"], "number");
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
