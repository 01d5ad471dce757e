import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { runWorkflow } from "../support/running-workflow.ts";
import { jsonPost, runningJson, threeSteps, workflowEvent, workflowIn } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { whenAborted, callsDuring, startDisposableStack, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1";
const { RUNNING, SUCCEEDED, FAILED, CANCELLED } = JobState;

const waiting = (seconds: number, more: RequestInit & { token?: string } = {}) => ({
  ...more,
  headers: { ...(more.headers as Record<string, string> | undefined), Prefer: `wait=${seconds}` },
});

describe("GET /v1/workflows/{id} with Prefer: wait", () => {
  const stack = suite(() => startStack());
  const get = (seconds: number, more?: RequestInit) => stack().gateway.fetch(path, waiting(seconds, more));

  for (const last of [SUCCEEDED, FAILED, CANCELLED])
    it(`follows the events until ${JobState[last]}, then reads the workflow again`, async () => {
      const { followed, end } = runWorkflow(stack().upstream, { last });
      const calls = await callsDuring(stack().upstream, async () => {
        const response = get(30);
        await followed;
        end();
        const { status, headers } = await response;
        assert.equal(status, 200);
        assert.equal(headers.get("preference-applied"), "wait=30");
        assert.equal(((await (await response).json()) as { state: string }).state, JobState[last]);
      });
      assert.deepEqual(
        calls.map(({ rpc }) => rpc),
        ["GetWorkflow", "StreamWorkflowEvents", "GetWorkflow"],
      );
    });

  it("responds at once if the workflow is terminal", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(SUCCEEDED);
    const calls = await callsDuring(stack().upstream, async () => {
      const response = await get(3600);
      assert.equal(response.headers.get("preference-applied"), "wait=60");
      assert.equal(((await response.json()) as { state: string }).state, "SUCCEEDED");
    });
    assert.equal(calls.length, 1);
  });

  it("responds with the current workflow after the time, and stops following", async () => {
    const { followed } = runWorkflow(stack().upstream);
    const begin = performance.now();
    const response = await get(1);
    assert.ok(performance.now() - begin >= 1000);
    assert.deepEqual([response.status, response.headers.get("preference-applied")], [200, "wait=1"]);
    assert.deepEqual(await response.json(), runningJson);
    await whenAborted(await followed);
  });

  for (const prefer of ["wait=0", "wait=soon", "respond-async", ""])
    it(`does not wait for ${JSON.stringify(prefer)}`, async () => {
      stack().upstream.rpcs.getWorkflow = () => workflowIn(RUNNING);
      const calls = await callsDuring(stack().upstream, async () => {
        const response = await stack().gateway.fetch(path, { headers: { Prefer: prefer } });
        assert.equal(response.headers.get("preference-applied"), prefer === "wait=0" ? "wait=0" : null);
        assert.deepEqual(await response.json(), runningJson);
      });
      assert.equal(calls.length, 1);
    });

  it("responds with 304 after the wait to a client that has the result", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(SUCCEEDED);
    const etag = (await get(1)).headers.get("etag") ?? "";
    const { followed, end } = runWorkflow(stack().upstream);
    const response = get(30, { headers: { "If-None-Match": etag } });
    await followed;
    end();
    assert.deepEqual(
      [(await response).status, (await response).headers.get("preference-applied")],
      [304, "wait=30"],
    );
  });

  const losses: [what: string, lose: () => unknown][] = [
    ["that are lost", () => Promise.reject(new ConnectError("going away", Code.Unavailable))],
    ["that end before the workflow does", () => undefined],
    ["of a connection that breaks", () => stack().upstream.dropConnections()],
  ];
  for (const [what, lose] of losses)
    it(`resumes the events ${what}`, async () => {
      const { rpcs } = stack().upstream;
      const { followed, end } = runWorkflow(stack().upstream);
      const { streamWorkflowEvents: follow } = rpcs;
      assert.ok(follow);
      let opened = 0;
      rpcs.streamWorkflowEvents = async function* (request, context) {
        opened += 1;
        if (opened > 3) return yield* follow(request, context);
        yield workflowEvent(0n, RUNNING);
        await lose();
      };
      const response = get(30);
      await followed;
      end();
      assert.equal(((await (await response).json()) as { state: string }).state, "SUCCEEDED");
      assert.equal(opened, 4);
    });

  for (const [what, follow] of [
    [
      "are lost",
      async function* () {
        yield await Promise.reject(new ConnectError("down", Code.Unavailable));
      },
    ],
    [
      "end after their snapshot",
      async function* () {
        yield await Promise.resolve(workflowEvent(0n, RUNNING));
      },
    ],
  ] as const)
    it(`backs off when the events ${what}, and responds after the time`, async () => {
      runWorkflow(stack().upstream);
      let opened = 0;
      stack().upstream.rpcs.streamWorkflowEvents = () => {
        opened += 1;
        return follow();
      };
      const response = await get(4);
      assert.deepEqual([response.status, response.headers.get("preference-applied")], [200, "wait=4"]);
      // 0.1 s at most at first, and twice that each time.
      assert.ok(opened > 1 && opened < 9, `${opened} times`);
    });

  it("responds with the error of the events", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(RUNNING);
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      yield await Promise.reject(new ConnectError("principal is suspended", Code.PermissionDenied));
    };
    const response = await get(30);
    assert.equal(response.status, 403);
    assert.equal(response.headers.get("preference-applied"), null);
  });

  it("stops following when its client disconnects", async () => {
    const { followed } = runWorkflow(stack().upstream);
    const leaving = new AbortController();
    const response = get(30, { signal: leaving.signal });
    const stream = await followed;
    leaving.abort();
    await assert.rejects(response, { name: "AbortError" });
    await whenAborted(stream);
  });

  it("logs the wait apart from the gateway's own time", async () => {
    await using own = await startDisposableStack({}, { ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "2" });
    const { followed } = runWorkflow(own.upstream);
    const response = own.gateway.fetch(path, waiting(5));
    await followed;
    hang(own.upstream, "getWorkflow");
    assert.equal((await response).status, 504);
    const metrics = await (await own.gateway.fetch("/metrics")).text();
    const within = (le: string) =>
      new RegExp(`_seconds_bucket\\{le="${le}",method="GET",.*status="504"\\} (\\d+)`).exec(metrics)?.[1];
    assert.deepEqual([within("1"), within("5")], ["0", "1"]);
    const line = own.gateway.logs.find(
      ({ event, status }) => event === "request.completed" && status === 504,
    );
    const [waited, whole] = [Number(line?.["waited_ms"]), Number(line?.["duration_ms"])];
    assert.ok(waited >= 4900 && whole >= waited + 1900, `${waited} of ${whole} ms`);
  });

  it("does not count the wait as latency", async () => {
    await using own = await startDisposableStack();
    runWorkflow(own.upstream);
    await (await own.gateway.fetch(path, waiting(5))).text();
    const metrics = await (await own.gateway.fetch("/metrics")).text();
    assert.match(
      metrics,
      /_seconds_bucket\{le="2.5",method="GET",path="\/v1\/workflows\/\{id\}",status="200"\} 1$/m,
    );
  });
});

describe("a read that waits for the sandbox", () => {
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, stepSeconds: 0.05 }));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));

  it("returns the finished workflow with its outputs", async () => {
    const token = "alice-key";
    const submitted = await gateway().fetch("/v1/workflows", { ...jsonPost(threeSteps), token });
    const location = submitted.headers.get("location") ?? "";
    const response = await gateway().fetch(location, waiting(30, { token }));
    const { state, step_statuses } = (await response.json()) as {
      state: string;
      step_statuses: { state: string; outputs: unknown[] }[];
    };
    assert.equal(state, "SUCCEEDED");
    assert.ok(step_statuses.every((step) => step.state === "SUCCEEDED" && step.outputs.length > 0));
  });
});
