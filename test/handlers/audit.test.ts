import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { jsonPost, oneStep, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import { newTrace } from "../support/traced-stack.ts";

const changes = [
  ["workflow.submitted", "/v1/workflows", jsonPost(oneStep)],
  ["workflow.cancelled", "/v1/workflows/w1", { method: "DELETE", headers: {} }],
  ["workflow.retried", "/v1/workflows/w1/retry", { method: "POST", headers: {} }],
] as const;

describe("audit events of workflows", () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        consumeQuota: () => ({ allowed: true }),
      },
      { API_KEYS_ENABLED: "true", API_TOKEN_PREVIOUS: "the-previous-token", TRUSTED_PROXIES: "loopback" },
    ),
  );
  beforeEach("an orchestrator that works", () => {
    Object.assign(stack().upstream.rpcs, {
      submitWorkflow: () => workflowIn(JobState.QUEUED),
      cancelWorkflow: () => workflowIn(JobState.CANCELLED),
      retryWorkflow: () => workflowIn(JobState.QUEUED),
      getWorkflow: () => workflowIn(JobState.RUNNING),
    });
  });

  /** The audit events of a request, without its trace and the fields of every log line. */
  async function eventsOf(path: string, init: RequestInit & { token?: string }) {
    const { traceId, headers } = newTrace();
    const { gateway } = stack();
    const response = await gateway.fetch(path, {
      ...init,
      headers: {
        ...(init.headers as Record<string, string>),
        ...headers,
        "X-Forwarded-For": "203.0.113.9",
        "X-Request-Id": "of-the-proxy",
      },
    });
    await response.text();
    const own = new Set(["level", "time", "msg", "trace_id", "span_id"]);
    return gateway.logs
      .filter(({ event = "", trace_id }) => trace_id === traceId && /^workflow\.[a-z]+ed$/.test(event))
      .map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => !own.has(name))));
  }

  for (const [event, path, init] of changes)
    for (const [token, who] of [
      [adminToken, { actor: "admin" }],
      ["the-previous-token", { actor: "admin-previous" }],
      ["alices-key", { actor: "alice", principal: "alice" }],
    ] as const)
      it(`has ${event} by ${who.actor} with id, trace and client`, async () => {
        assert.deepEqual(await eventsOf(path, { ...init, token }), [
          {
            event,
            request_id: "of-the-proxy",
            client_address: "203.0.113.9",
            ...who,
            workflow_id: "w1",
          },
        ]);
      });

  it("come with the event workflow.submit of the contract", async () => {
    const { logs } = stack().gateway;
    const before = logs.length;
    await eventsOf("/v1/workflows", jsonPost(oneStep));
    const { event, workflow_id, steps } = stack().gateway.logs.slice(before)[0]!;
    assert.deepEqual(
      { event, workflow_id, steps },
      { event: "workflow.submit", workflow_id: "w1", steps: 1 },
    );
  });

  for (const [event, path, init] of changes)
    it(`have no ${event} if the orchestrator rejects it`, async () => {
      const reject = () => {
        throw new ConnectError("no", Code.FailedPrecondition);
      };
      Object.assign(stack().upstream.rpcs, {
        submitWorkflow: reject,
        cancelWorkflow: reject,
        retryWorkflow: reject,
      });
      assert.deepEqual(await eventsOf(path, init), []);
    });

  it("have nothing of a request that changes nothing", async () => {
    assert.deepEqual(await eventsOf("/v1/workflows/w1", { headers: {} }), []);
    assert.deepEqual(await eventsOf("/v1/workflows/validate", jsonPost(oneStep)), []);
    const unmet = { method: "DELETE", headers: { "If-Match": '"x"' } };
    assert.deepEqual(await eventsOf("/v1/workflows/w1", unmet), []);
    assert.deepEqual(await eventsOf("/v1/workflows", jsonPost({})), []);
  });
});
