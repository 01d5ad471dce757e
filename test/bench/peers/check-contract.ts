import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HandlerContext } from "@connectrpc/connect";
import { SubmitWorkflowRequestSchema } from "../../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JobState } from "../../../generated/proto/foldforge/common/v1/common_pb.js";
import { sha256, threeSteps, workflowIn } from "../../support/samples.ts";
import { startUpstream } from "../../support/upstream.ts";
import { page, workflow } from "../messages.ts";
import { adminToken, startGateway } from "../processes.ts";
import type { StartedProgram } from "./start-program.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const callTimeoutMs = 10_000;

/** How long a line of the log may take. */
const logMs = 5000;

const as = (token: string) => ({ Authorization: `Bearer ${token}` });
const admin = as(adminToken);
const key = as("a-key");
const json = { "Content-Type": "application/json" };

function post(headers: Readonly<Record<string, string>>, body: unknown = threeSteps): RequestInit {
  return { method: "POST", headers: { ...json, ...headers }, body: JSON.stringify(body) };
}

const one = `/v1/workflows/${workflow.id}`;
const unknownPath = "/v1/elsewhere";
const [firstStep, ...otherSteps] = threeSteps.steps;

/** Requests to which a peer has to give the same response as the gateway. */
const requests: readonly (readonly [path: string, init: RequestInit])[] = [
  [one, { headers: admin }],
  [one, { headers: key }],
  [one, { headers: {} }],
  [one, { headers: as("a-denied-key") }],
  [one, { headers: { Authorization: `Basic ${adminToken}` } }],
  ["/v1/workflows/finished", { headers: admin }],
  ["/v1/workflows/unknown", { headers: admin }],
  ["/v1/workflows/not%20an%20id", { headers: admin }],
  [unknownPath, { headers: admin }],
  ["/v1/workflows?page_size=2", { headers: admin }],
  ["/v1/workflows", { headers: key }],
  ["/v1/workflows?page_size=1000", { headers: admin }],
  ["/v1/workflows?page=2", { headers: admin }],
  ["/v1/workflows", post(key)],
  ["/v1/workflows", post(admin)],
  ["/v1/workflows", post({ ...key, "Idempotency-Key": "once" })],
  ["/v1/workflows", post(as("an-exhausted-key"))],
  ["/v1/workflows", post({})],
  ["/v1/workflows", post(key, { ...threeSteps, owner: "me" })],
  ["/v1/workflows", post(key, { ...threeSteps, name: 1 })],
  ["/v1/workflows", post(key, { ...threeSteps, steps: [] })],
  ["/v1/workflows", post(key, { ...threeSteps, steps: [{ ...firstStep, tool: "af3" }, ...otherSteps] })],
  ["/v1/workflows", post({ ...key, "Content-Type": "text/plain" })],
];

/** The headers that are part of the contract. */
const headerNames = [
  "content-type",
  "location",
  "retry-after",
  "www-authenticate",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
];

/** Metadata of the transport. */
const transportMetadata =
  /^(?:content-type|te|user-agent|accept-encoding|grpc-accept-encoding|grpc-encoding|grpc-timeout|grpc-.*-bin)$/;

/**
 * Compares a peer, which `start` starts in front of an orchestrator, with the gateway: the same responses to the same
 * requests, the same calls, a log line and a count for each. Rejects at the first difference.
 */
export async function checkContract(start: (orchestrator: string) => Promise<StartedProgram>): Promise<void> {
  const calls: unknown[] = [];
  const upstream = await startOrchestrator(calls);
  const gateway = await startGateway({ ORCHESTRATOR_ENDPOINT: upstream.url, API_KEYS_ENABLED: "true" });
  const peer = await start(upstream.url);
  const logged: Record<string, unknown>[] = [];
  createInterface(peer.log).on("line", (line) => logged.push(JSON.parse(line) as Record<string, unknown>));
  try {
    for (const [path, init] of requests) {
      const expected = await exchange(gateway.url, path, init, calls);
      const actual = await exchange(peer.url, path, init, calls);
      const what = `${init.method ?? "GET"} ${path} ${JSON.stringify(init.headers)}`;
      assert.deepEqual(actual, expected, `a peer differs from the gateway at ${what}`);
    }
    await checkLog(logged);
    await checkMetrics(peer.url);
  } finally {
    await Promise.all([gateway.stop(), peer.stop(), upstream.close()]);
  }
}

/** An orchestrator that notes each call with all that the gateway has to send. */
function startOrchestrator(calls: unknown[]) {
  function note({ method, requestHeader, timeoutMs }: HandlerContext, request: unknown) {
    const timeout = timeoutMs() ?? Infinity;
    calls.push({
      rpc: method.name,
      request,
      metadata: [...requestHeader]
        .filter(([name]) => !transportMetadata.test(name))
        // The span is new for each request.
        .map(([name, value]) => [
          name,
          name === "traceparent" ? value.replace(/-[0-9a-f]{16}-/, "-span-") : value,
        ])
        .sort(),
      hasDeadline: timeout <= callTimeoutMs && timeout > callTimeoutMs / 2,
    });
  }

  const finished = workflowIn(JobState.SUCCEEDED, [
    {
      uri: "r2://foldforge/a",
      contentType: "chemical/x-pdb",
      sizeBytes: 9n,
      sha256: "ab",
      metrics: { plddt: 91.5 },
    },
  ]);
  return startUpstream({
    getWorkflow({ workflowId }, context) {
      note(context, { workflowId });
      if (workflowId === "unknown") throw new ConnectError("there is no such workflow", Code.NotFound);
      return workflowId === "finished" ? finished : workflow;
    },
    listWorkflows({ pageSize, pageToken }, context) {
      note(context, { pageSize, pageToken });
      return page;
    },
    submitWorkflow(request, context) {
      note(context, toJson(SubmitWorkflowRequestSchema, request));
      return workflow;
    },
    authenticateApiKey({ keyHash }, context) {
      note(context, { keyHash });
      return keyHash === sha256("a-denied-key") ? { allowed: false } : { allowed: true, principal: "alice" };
    },
    consumeQuota({ keyHash }, context) {
      note(context, { keyHash });
      const used = keyHash === sha256("an-exhausted-key") ? 11n : 3n;
      return { allowed: used <= 10n, limit: 10n, used, principal: "alice" };
    },
  });
}

/** A response, and the calls that were made for it. */
async function exchange(url: string, path: string, init: RequestInit, calls: unknown[]) {
  const headers = {
    ...(init.headers as Record<string, string>),
    traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
  };
  const response = await fetch(url + path, { ...init, headers });
  const body = (await response.json()) as Record<string, unknown>;
  delete body["details"];
  // A gateway words its own errors; those of the orchestrator pass verbatim.
  if (response.status === 400 || response.status === 415 || path === unknownPath) delete body["message"];
  return {
    status: response.status,
    headers: headerNames.map((name) => [name, response.headers.get(name)]),
    body,
    calls: calls.splice(0),
  };
}

/** A line for each request, with its trace id, and one for each submission. */
async function checkLog(lines: readonly Record<string, unknown>[]): Promise<void> {
  const count = (event: string) =>
    lines.filter(
      (line) => [line["event"], line["msg"], line["message"]].includes(event) && line["trace_id"] === traceId,
    ).length;
  const deadline = performance.now() + logMs;
  while (count("request.completed") < requests.length && performance.now() < deadline) await delay(5);
  assert.equal(count("request.completed"), requests.length, "each request has a line in the log");
  assert.equal(count("workflow.submit"), 3, "each submission has a line in the log");
}

/** The counts of the requests, by the template of the path. */
async function checkMetrics(url: string): Promise<void> {
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const name of ["http_requests_total", "http_request_duration_seconds_count"]) {
    const line = text
      .split("\n")
      .find((each) =>
        [`_${name}{`, 'method="GET"', 'path="/v1/workflows/{id}"', 'status="401"'].every((part) =>
          each.includes(part),
        ),
      );
    assert.equal(line?.split(" ")[1], "3", `${name} counts three requests without a valid token`);
  }
}
