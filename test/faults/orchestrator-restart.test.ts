import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { startTestGateway, suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { upstreamOperations } from "../support/operations.ts";
import { jsonPost, oneStep, workflowEvent, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import type { Upstream, UpstreamRpcs } from "../support/upstream.ts";

const running = workflowIn(JobState.RUNNING);
const rpcs: UpstreamRpcs = {
  authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
  consumeQuota: () => ({ allowed: true }),
  submitWorkflow: () => running,
  getWorkflow: () => running,
  listWorkflows: () => ({}),
  cancelWorkflow: () => running,
  retryWorkflow: () => running,
  rankDesigns: () => ({}),
  getBalance: () => ({}),
  listLedger: () => ({}),
  async *streamWorkflowEvents() {
    yield await Promise.resolve(workflowEvent(3n, JobState.SUCCEEDED));
  },
};

/** The RPCs that are repeated. */
const reads: ReadonlySet<keyof UpstreamRpcs> = new Set([
  ...(["getWorkflow", "listWorkflows", "rankDesigns", "streamWorkflowEvents"] as const),
  ...(["getBalance", "listLedger"] as const),
]);

/** Each request and the RPC that loses its connection during it; a read is retried. */
const requests = [
  ...upstreamOperations
    // Other tests cover downloads.
    .filter(({ id }) => id !== "downloadArtifact")
    .map(({ id, path, init, rpc }) => ({
      what: `the ${rpc} of ${id}${"headers" in init && "Idempotency-Key" in (init.headers ?? {}) ? " with a key" : ""}`,
      path,
      init,
      rpc,
      isRead: reads.has(rpc),
    })),
  {
    what: "the lookup of a key",
    path: "/v1/workflows/w1",
    init: {},
    rpc: "authenticateApiKey" as const,
    isRead: true,
  },
  {
    what: "the count of a submission",
    path: "/v1/workflows",
    init: jsonPost(oneStep),
    rpc: "consumeQuota" as const,
    isRead: false,
  },
  { what: "the read of readyz", path: "/v1/readyz", init: {}, rpc: "listWorkflows" as const, isRead: true },
];

describe("an orchestrator that restarts", () => {
  let time = 0;
  const options = { now: () => time };
  const settings = { API_KEYS_ENABLED: "true", AUTH_CACHE_TTL_SECONDS: "1" };
  const stack = suite(() => startStack(rpcs, settings, options));

  /** Makes `rpc` lose its connection the first time; counts the attempts. */
  function loseOnce(upstream: Upstream, rpc: keyof UpstreamRpcs): { attempts: number } {
    const count = { attempts: 0 };
    hang(upstream, rpc, () => {
      count.attempts += 1;
      upstream.dropConnections();
      Object.assign(upstream.rpcs, { [rpc]: counted });
    });
    function counted(request: never, context: never) {
      count.attempts += 1;
      return (rpcs[rpc] as (request: never, context: never) => unknown)(request, context);
    }
    return count;
  }

  for (const { what, path, init, rpc, isRead } of requests)
    it(`costs ${isRead ? "nothing but a second try" : "one attempt"} in the middle of ${what}`, async () => {
      const { upstream, gateway } = stack();
      // Cached results of key lookups and of readiness checks have expired.
      time += 2000;
      const count = loseOnce(upstream, rpc);
      const token = "alices-key";
      const response = await gateway.fetch(path, { ...init, token });
      const body = await response.text();
      if (isRead) {
        assert.equal(response.status, 200, body);
        assert.equal(count.attempts, 2);
      } else {
        const { code, message, retryable } = JSON.parse(body);
        assert.equal(response.status, 503);
        assert.deepEqual([code, message, retryable], ["UNAVAILABLE", "internal server error", true]);
        assert.ok(response.headers.get("retry-after"));
        assert.equal(count.attempts, 1);
      }
      const next = await gateway.fetch(path, { ...init, token });
      assert.ok(next.ok, `${next.status}`);
    });

  it("makes the requests in flight return 503, and no request once it is back", async () => {
    const first = await startUpstream(rpcs);
    const port = Number(new URL(first.url).port);
    const gateway = await startTestGateway({ ...settings, ORCHESTRATOR_ENDPOINT: first.url }, options);
    const token = "alices-key";
    const send = () => {
      time += 2000;
      const all = requests.filter(({ rpc }) => rpc !== "authenticateApiKey" && rpc !== "consumeQuota");
      return all.map(({ path, init }) => gateway.fetch(path, { ...init, token }));
    };
    assert.ok((await Promise.all(send())).every(({ ok }) => ok));

    const inFlight = [
      "submitWorkflow",
      "getWorkflow",
      "listWorkflows",
      "cancelWorkflow",
      "retryWorkflow",
      "rankDesigns",
      "streamWorkflowEvents",
      "getBalance",
      "listLedger",
    ] as const;
    const hanging = inFlight.map((rpc) => hang(first, rpc).started);
    const sent = Promise.all(send());
    await Promise.all(hanging);
    await first.close();
    for (const response of await sent) {
      const body = (await response.json()) as { status?: string; code: string; retryable: boolean };
      assert.equal(response.status, 503);
      if (body.status === undefined) assert.deepEqual([body.code, body.retryable], ["UNAVAILABLE", true]);
    }

    const second = await startUpstream(rpcs, port);
    const again = await Promise.all(send());
    assert.deepEqual(
      again.map(({ status }) => status),
      [201, 201, ...Array.from({ length: 10 }, () => 200)],
    );
    await gateway.close();
    await second.close();
  });
});
