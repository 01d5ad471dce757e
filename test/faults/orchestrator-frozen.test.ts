import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { scaledSeconds } from "../support/machine.ts";
import { jsonPost, oneStep, stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted, callsDuring } from "../support/stack.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { startUpstream } from "../support/upstream.ts";

const running = workflowIn(JobState.RUNNING);
const seconds = scaledSeconds(0.2);
const keepaliveOf = (value: string) => ({
  ORCHESTRATOR_KEEPALIVE_TIME_SECONDS: value,
  ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS: value,
  ORCHESTRATOR_STREAM_KEEPALIVE_TIME_SECONDS: value,
  ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS: value,
});

/** A gateway whose way to the orchestrator can be frozen and cut. */
async function startFreezable() {
  const upstream = await startUpstream({
    getWorkflow: () => running,
    submitWorkflow: () => running,
    listWorkflows: () => ({}),
  });
  const proxy = await startTcpProxy(upstream.url);
  const retryPolicy = { maxRetries: 3, backoffMs: () => 0, idleTimeoutMs: 30 };
  const gateway = await startTestGateway(
    { ...keepaliveOf(seconds), ORCHESTRATOR_ENDPOINT: proxy.url },
    { retryPolicy, streamIntervals: { checkMs: 20, heartbeatMs: 3_600_000 } },
  );
  return {
    upstream,
    proxy,
    gateway,
    read: () => gateway.fetch("/v1/workflows/w1"),
    submit: () => gateway.fetch("/v1/workflows", jsonPost(oneStep)),
    async close() {
      await gateway.close();
      await proxy.close();
      await upstream.close();
    },
  };
}

describe("an orchestrator that is connected and silent", () => {
  const stack = suite(startFreezable);

  it("costs reads a second try on a fresh connection, and submissions in flight a 503", async () => {
    const { upstream, proxy, read, submit } = stack();
    assert.equal((await read()).status, 200);
    const { accepted } = proxy;
    const frozenAt = performance.now();
    proxy.freeze();
    const calls = await callsDuring(upstream, async () => {
      const responses = await Promise.all([read(), submit(), read()]);
      assert.deepEqual(
        responses.map(({ status }) => status),
        [200, 503, 200],
      );
      const { code, retryable } = (await responses[1].json()) as { code: string; retryable: boolean };
      assert.deepEqual([code, retryable], ["UNAVAILABLE", true]);
    });
    assert.deepEqual(
      calls.map(({ rpc }) => rpc),
      ["GetWorkflow", "GetWorkflow"],
    );
    // By the settings of this gateway; by default it takes more than 4 s.
    assert.ok(performance.now() - frozenAt < 3500 * Math.max(1, Number(seconds) / 0.2));
    assert.equal((await submit()).status, 201);
    assert.equal(proxy.accepted, accepted + 1);
  });

  it("is left by event streams, whose clients notice nothing", async () => {
    const { upstream, proxy, gateway } = stack();
    const resumedFrom: bigint[] = [];
    upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
      resumedFrom.push(fromEventId);
      if (fromEventId === 0n) {
        yield stepEvent(5n);
        await whenAborted(signal);
      }
      yield stepEvent(6n);
      yield workflowEvent(7n, JobState.SUCCEEDED);
    };
    const reader = readEvents(await gateway.fetch("/v1/workflows/w1/events"));
    await reader.next();
    proxy.freeze();
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ["5", "6", "7"],
    );
    assert.deepEqual(resumedFrom, [0n, 5n]);
  });

  it("harms nothing else, at whatever moment connections freeze and break", async () => {
    const { upstream, proxy, gateway, read, submit } = stack();
    upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield stepEvent(5n);
      await whenAborted(signal);
    };
    // A moment later each time: some rounds of the event loop further into what the requests do.
    for (let moment = 0; moment < 24; moment += 1) {
      const leaving = new AbortController();
      const events = gateway.fetch("/v1/workflows/w1/events", { signal: leaving.signal });
      const responses = Promise.all([read(), submit(), read(), submit()]);
      for (let turn = 0; turn < 3 * moment; turn += 1) await new Promise(setImmediate);
      if (moment % 4 < 3) proxy.freeze();
      if (moment % 2 === 1) proxy.cut();
      if (moment % 4 === 2) upstream.dropConnections();
      const statuses = (await responses).map(({ status }) => status);
      // What is broken at once and not frozen is read again.
      if (moment % 4 === 3) assert.deepEqual([statuses[0], statuses[2]], [200, 200]);
      assert.ok(
        statuses.every((status) => [200, 201, 503].includes(status)),
        `${statuses.join()} at ${moment}`,
      );
      assert.ok([200, 503].includes((await events).status));
      leaving.abort();
      assert.equal((await read()).status, 200);
    }
    assert.equal((await gateway.fetch("/v1/readyz")).status, 200);
  });

  it("makes requests return 503 while its process is stopped and succeed once it continues", async () => {
    const main = fileURLToPath(new URL("../../src/sandbox/main.ts", import.meta.url));
    const addresses = {
      FOLDFORGE_SANDBOX__ORCHESTRATOR_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__OBJECT_STORE_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__METRICS_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__STRIPE_ADDR: "127.0.0.1:0",
    };
    const env = { ...process.env, ...addresses };
    const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "ignore"] });
    const exit = once(child, "exit");
    let url: string | undefined;
    for await (const line of createInterface(child.stdout)) {
      url = /orchestrator (http\S+)/.exec(line)?.[1];
      if (url !== undefined) break;
    }
    assert.ok(url !== undefined);
    // Longer than another process may be slow to send its HTTP/2 settings.
    const gateway = await startTestGateway({
      ...keepaliveOf(scaledSeconds(0.6)),
      ORCHESTRATOR_ENDPOINT: url,
      ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "300",
    });
    const statuses = async () => {
      const sent = [gateway.fetch("/v1/workflows"), gateway.fetch("/v1/workflows", jsonPost(oneStep))];
      return (await Promise.all(sent)).map(({ status }) => status);
    };
    assert.deepEqual(await statuses(), [200, 201]);
    child.kill("SIGSTOP");
    assert.deepEqual(await statuses(), [503, 503]);
    // Its kernel accepts connections still.
    assert.deepEqual(await statuses(), [503, 503]);
    child.kill("SIGCONT");
    assert.deepEqual(await statuses(), [200, 201]);
    await gateway.close();
    child.kill("SIGKILL");
    await exit;
  });
});
