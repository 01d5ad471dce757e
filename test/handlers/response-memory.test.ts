import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { startEncodedUpstream } from "../support/encoded-upstream.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { scrape } from "../support/metrics.ts";
import { threeSteps } from "../support/samples.ts";
import { encodedPage, encodedSpec, encodedUpdate, encodedWorkflow } from "../support/worst-workflows.ts";

/** More than is received without acquiring memory, in bytes. */
const large = 70 * 1024;

/** So little that the JSON of a large workflow is written only while no other is held. */
const maxBufferedBytes = 1024 * 1024;

/** Large workflows: valid, invalid at the first byte, and invalid at the end. */
const whole = encodedWorkflow(
  encodedSpec(
    JSON.stringify({ name: "large", steps: [{ id: "a", tool: "af2", params: { x: "x".repeat(large) } }] }),
  ),
  { id: "w1", state: JobState.RUNNING },
);
const workflows = {
  valid: whole,
  invalid: Buffer.alloc(large, 0xff),
  truncated: whole.subarray(0, -1),
} as const;

const json = { "Content-Type": "application/json" };

/** Requests with their status for a valid workflow; for the others it is 500. */
const requests: readonly (readonly [status: number, path: string, init?: RequestInit])[] = [
  [200, "/v1/workflows"],
  [201, "/v1/workflows", { method: "POST", headers: json, body: JSON.stringify(threeSteps) }],
  [200, "/v1/workflows/w1"],
  [200, "/v1/workflows/w1", { headers: { Prefer: "wait=1" } }],
  [412, "/v1/workflows/w1", { headers: { "If-Match": '"other"' } }],
  [200, "/v1/workflows/w1", { method: "DELETE" }],
  [412, "/v1/workflows/w1", { method: "DELETE", headers: { "If-Match": '"other"' } }],
  [200, "/v1/workflows/w1/retry", { method: "POST" }],
  [412, "/v1/workflows/w1/retry", { method: "POST", headers: { "If-Match": '"other"' } }],
  [500, "/v1/workflows/w1/rank", { method: "POST", headers: json, body: '{"metric":"plddt"}' }],
  [404, "/v1/workflows/w1/artifacts/nobody"],
  [200, "/v1/workflows/w1/events"],
  [200, "/v1/workflows/w1/events", { headers: { "Last-Event-ID": "7" } }],
];

describe("the memory of large responses", () => {
  const stack = suite(async () => {
    const upstream = await startEncodedUpstream();
    const gateway = await startTestGateway({
      ORCHESTRATOR_ENDPOINT: upstream.url,
      MAX_BUFFERED_BYTES: String(maxBufferedBytes),
    });
    return {
      upstream,
      gateway,
      async close() {
        await gateway.close();
        await upstream.close();
      },
    };
  });

  /** Resolves when the gateway counts no buffered bytes. */
  async function untilNoneBuffered(url: string): Promise<void> {
    while ((await scrape(url)).get("foldforge_gateway_buffered_bytes") !== 0);
  }

  for (const [what, workflow] of Object.entries(workflows))
    for (const [status, path, init = {}] of requests) {
      const { method = "GET", headers = {} } = init;
      const more = Object.entries(headers).map((header) => header.join(": "));
      it(`is released after ${[method, path, ...more].join(" ")} with a workflow that is ${what}`, async () => {
        const { gateway, upstream } = stack();
        const one = () => [workflow];
        Object.assign(upstream.rpcs, {
          SubmitWorkflow: one,
          GetWorkflow: one,
          CancelWorkflow: one,
          RetryWorkflow: one,
          RankDesigns: one,
          ListWorkflows: () => [what === "invalid" ? workflow : encodedPage([workflow], "")],
          StreamWorkflowEvents: () => [encodedUpdate(workflow, { workflowId: "w1", eventId: 8n })],
        });
        const response = await gateway.fetch(path, init);
        assert.equal(response.status, workflow === whole ? status : 500);
        // The stream of a running workflow does not end.
        await response.body?.cancel();
        await untilNoneBuffered(gateway.url);
        upstream.rpcs["GetWorkflow"] = () => [whole];
        assert.equal((await gateway.fetch("/v1/workflows/w1")).status, 200);
      });
    }
});
