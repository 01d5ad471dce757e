import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { runWorkflow } from "../support/running-workflow.ts";
import type { RunningWorkflow } from "../support/running-workflow.ts";
import { workflowIn } from "../support/samples.ts";
import { deferred, startStack } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import type { Upstream } from "../support/upstream.ts";
import { startMeasuredGateway } from "./measured-gateway.ts";

/** Begins so many waits, over a connection each. One after the other: all at once would look like overload. */
async function waitFor(
  url: string,
  { followers }: RunningWorkflow,
  count: number,
  token = adminToken,
): Promise<ClientRequest[]> {
  const headers = { Authorization: `Bearer ${token}`, Prefer: "wait=60" };
  const requests: ClientRequest[] = [];
  while (requests.length < count) {
    const request = get(`${url}/v1/workflows/w1`, { headers, agent: false });
    requests.push(request.on("error", () => undefined));
    await followers(requests.length);
  }
  return requests;
}

function leave(requests: readonly ClientRequest[]): void {
  for (const request of requests) request.destroy();
}

describe("100 waiting reads of a large workflow", () => {
  const waits = 100;
  const upstream = suite(() => startUpstream());
  const gateway = suite(() => startMeasuredGateway({ ORCHESTRATOR_ENDPOINT: upstream().url }));

  it("hold nothing of the workflow that they have read, and free their memory when they end", async () => {
    const large = workflowIn(JobState.RUNNING);
    const text = "x".repeat(1000);
    large.spec!.labels = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${i}`, text]));
    const workflow = runWorkflow(upstream(), { running: large });
    const { url, memory } = gateway();

    // What a process takes once and never gives back is not theirs.
    leave(await waitFor(url, workflow, 20));
    await workflow.followers(0);
    const before = await memory();
    const requests = await waitFor(url, workflow, waits);
    const during = await memory();
    assert.ok(during.held - before.held < waits * 128 * 1024, `${during.held - before.held} bytes are held`);
    leave(requests);
    await workflow.followers(0);
    const after = await memory();
    assert.ok(after.held - before.held < 4 * 1024 * 1024, `${after.held - before.held} bytes are left`);
  });
});

const fourAtOnce = { MAX_REQUESTS_IN_FLIGHT: "4" };
const fourOfSixteen = { MAX_REQUESTS_IN_FLIGHT: "16", API_KEYS_ENABLED: "true" };

for (const [what, token, settings] of [
  ["40 waiting reads, where 4 requests may be in flight", adminToken, fourAtOnce],
  [
    "40 waiting reads of a key, where 16 requests may be in flight, and 4 of one key",
    "greedy",
    fourOfSixteen,
  ],
] as const)
  describe(what, () => {
    const waits = 40;
    const stack = suite(() =>
      startStack({ authenticateApiKey: () => ({ allowed: true, principal: "alice" }) }, settings),
    );

    /** Holds every read of the workflow until they are let through, and knows how many are under way. */
    function holdReads({ rpcs }: Upstream) {
      const through = deferred();
      let reading = 0;
      let most = 0;
      let came = deferred();
      rpcs.getWorkflow = async () => {
        reading += 1;
        most = Math.max(most, reading);
        came.resolve();
        came = deferred();
        await through.promise;
        reading -= 1;
        return workflowIn(JobState.SUCCEEDED);
      };
      return {
        most: () => most,
        async underWay(count: number) {
          while (reading < count) await came.promise;
        },
        letThrough: through.resolve,
      };
    }

    /** Waits, and lets the workflow end: resolves when as many reads as may be in flight have resumed. */
    async function endAndResume() {
      const { gateway, upstream } = stack();
      const workflow = runWorkflow(upstream);
      const requests = await waitFor(gateway.url, workflow, waits, token);
      const reads = holdReads(upstream);
      workflow.end();
      await reads.underWay(4);
      return { requests, reads };
    }

    it("resume four at a time when the workflow ends, and all get their response", async () => {
      const { requests, reads } = await endAndResume();
      const responses = requests.map(async (request) => {
        const [response] = (await once(request, "response")) as [IncomingMessage];
        response.resume();
        return response.statusCode;
      });
      // New requests are rejected meanwhile as ever, except those of another caller with a share of its own.
      const { gateway, upstream } = stack();
      upstream.rpcs.listWorkflows = () => ({});
      const fresh = async (token: string) => (await gateway.fetch("/v1/workflows", { token })).status;
      assert.deepEqual(
        [await fresh(token), await fresh(adminToken)],
        token === adminToken ? [503, 503] : [429, 200],
      );
      reads.letThrough();
      assert.deepEqual(new Set(await Promise.all(responses)), new Set([200]));
      assert.equal(reads.most(), 4);
    });

    it("release what they hold where their clients leave before they resume", async () => {
      const { requests, reads } = await endAndResume();
      const { gateway } = stack();
      const gone = () => gateway.logs.filter(({ status }) => status === 499).length;
      const before = gone();
      leave(requests);
      while (gone() < before + waits) await once(gateway.logged, "line");
      reads.letThrough();
      const responses = Array.from({ length: 4 }, () => gateway.fetch("/v1/workflows/w1", { token }));
      for (const response of await Promise.all(responses)) assert.equal(response.status, 200);
    });
  });
