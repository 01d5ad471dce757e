import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import type { ClientRequest } from "node:http";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Workflow } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { workflowEvent, workflowIn } from "../support/samples.ts";
import { abortion, signal, startStack } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import type { Upstream } from "../support/upstream.ts";
import { startMeasuredGateway } from "./measured-gateway.ts";

const headers = { Authorization: `Bearer ${adminToken}`, Prefer: "wait=60" };

/** Waits for the workflow over a connection of its own. */
function wait(url: string): ClientRequest {
  return get(`${url}/v1/workflows/w1`, { headers, agent: false }).on("error", () => undefined);
}

/** A workflow that runs until `end` is called, and counts who follows it. */
function script({ rpcs }: Upstream, running: Workflow = workflowIn(JobState.RUNNING)) {
  const over = signal();
  let state: JobState = JobState.RUNNING;
  let followers = 0;
  let changed = signal();
  function count(change: number) {
    followers += change;
    changed.resolve();
    changed = signal();
  }
  rpcs.getWorkflow = () => (state === JobState.RUNNING ? running : workflowIn(state));
  rpcs.streamWorkflowEvents = async function* (_request, { signal: left }) {
    count(1);
    yield workflowEvent(0n, state);
    await Promise.race([over.promise, abortion(left)]);
    if (left.aborted) count(-1);
    else yield workflowEvent(1n, state);
  };
  return {
    async until(wanted: number) {
      while (followers !== wanted) await changed.promise;
    },
    end() {
      state = JobState.SUCCEEDED;
      over.resolve();
    },
  };
}

describe("100 reads that wait for a large workflow", () => {
  const waits = 100;
  const upstream = suite(() => startUpstream());
  const gateway = suite(() => startMeasuredGateway({ ORCHESTRATOR_ENDPOINT: upstream().url }));

  it("hold none of what they have read, and leave nothing behind", async () => {
    const large = workflowIn(JobState.RUNNING);
    const text = "x".repeat(1000);
    large.spec!.labels = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${i}`, text]));
    const { until } = script(upstream(), large);

    async function waitFor(count: number) {
      const requests: ClientRequest[] = [];
      // One after the other: so many at once, with all that they read, would look like overload.
      while (requests.length < count) {
        requests.push(wait(gateway().url));
        await until(requests.length);
      }
      return async function leave() {
        for (const request of requests) request.destroy();
        await until(0);
      };
    }

    // What a process takes once and never gives back is not theirs.
    await (
      await waitFor(20)
    )();
    const before = await gateway().memory();
    const leave = await waitFor(waits);
    const during = await gateway().memory();
    assert.ok(during.held - before.held < waits * 128 * 1024, `${during.held - before.held} bytes are held`);
    await leave();
    const after = await gateway().memory();
    assert.ok(after.held - before.held < 4 * 1024 * 1024, `${after.held - before.held} bytes are left`);
  });
});

describe("40 reads that wait, where 4 requests may be in flight", () => {
  const waits = 40;
  const stack = suite(() => startStack({}, { MAX_REQUESTS_IN_FLIGHT: "4" }));

  /** Begins the waits, one after the other. */
  async function begin(until: (followers: number) => Promise<void>): Promise<ClientRequest[]> {
    const requests: ClientRequest[] = [];
    while (requests.length < waits) {
      requests.push(wait(stack().gateway.url));
      await until(requests.length);
    }
    return requests;
  }

  /** Lets a read of the workflow through when it is told to, and knows how many are under way. */
  function gate({ rpcs }: Upstream) {
    let reading = 0;
    let most = 0;
    let opened = signal();
    let came = signal();
    rpcs.getWorkflow = async () => {
      reading += 1;
      most = Math.max(most, reading);
      came.resolve();
      await opened.promise;
      reading -= 1;
      return workflowIn(JobState.SUCCEEDED);
    };
    return {
      get most() {
        return most;
      },
      async until(wanted: number) {
        while (reading < wanted) {
          came = signal();
          await came.promise;
        }
      },
      open() {
        opened.resolve();
        opened = { ...signal(), promise: Promise.resolve() };
      },
    };
  }

  it("come back four at a time when it ends, and are all answered", async () => {
    const { until, end } = script(stack().upstream);
    const requests = await begin(until);
    const answers = requests.map(async (request) => {
      const [answer] = (await once(request, "response")) as [{ statusCode: number; resume(): void }];
      answer.resume();
      return answer.statusCode;
    });
    const reads = gate(stack().upstream);
    end();
    await reads.until(4);
    // Whoever comes new is refused meanwhile, as ever.
    assert.equal((await stack().gateway.fetch("/v1/workflows/w1")).status, 503);
    reads.open();
    assert.deepEqual(new Set(await Promise.all(answers)), new Set([200]));
    assert.equal(reads.most, 4);
  });

  it("give their places free where they leave before they come back", async () => {
    const { until, end } = script(stack().upstream);
    const requests = await begin(until);
    const reads = gate(stack().upstream);
    end();
    await reads.until(4);
    const gone = () => stack().gateway.logs.filter(({ status }) => status === 499).length;
    const before = gone();
    for (const request of requests) request.destroy();
    while (gone() < before + waits) await once(stack().gateway.logged, "line");
    reads.open();
    const answers = Array.from({ length: 4 }, () => stack().gateway.fetch("/v1/workflows/w1"));
    for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200);
  });
});
