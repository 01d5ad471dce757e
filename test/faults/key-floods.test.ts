import assert from "node:assert/strict";
import { connect } from "node:net";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import { jsonPost, oneStep, workflowIn } from "../support/samples.ts";
import { whenAborted, deferred, startStack } from "../support/stack.ts";

const limit = 40;
const share = limit / 4;
const json = JSON.stringify(oneStep);

describe(`a gateway with MAX_REQUESTS_IN_FLIGHT=${limit}, while one key sends three times its share`, () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        consumeQuota: () => ({ allowed: true, principal: "alice" }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
      },
      {
        API_KEYS_ENABLED: "true",
        MAX_REQUESTS_IN_FLIGHT: String(limit),
        // The slow calls last as long as what others send meanwhile.
        ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "300",
      },
    ),
  );
  const read = (token: string, id = "w1") => stack().gateway.fetch(`/v1/workflows/${id}`, { token });
  const submit = (token: string) => stack().gateway.fetch("/v1/workflows", { ...jsonPost(oneStep), token });

  /** Runs `act`; resolves to its result and its duration in milliseconds. */
  async function timed<T>(act: () => Promise<T>): Promise<{ result: T; ms: number }> {
    const start = performance.now();
    return { result: await act(), ms: performance.now() - start };
  }

  it("serves another key and the admin without delay", async () => {
    const { upstream } = stack();
    const release = deferred();
    let slow = 0;
    let mostSlow = 0;
    upstream.rpcs.getWorkflow = async ({ workflowId }, { signal: aborted }) => {
      if (workflowId === "slow") {
        mostSlow = Math.max(mostSlow, (slow += 1));
        await Promise.race([release.promise, whenAborted(aborted)]);
        slow -= 1;
      }
      return workflowIn(JobState.RUNNING);
    };

    // Each client sends so many requests one after another.
    const [clients, times] = [3 * share, 20];
    const greedy: number[] = [];
    const flood = Array.from({ length: clients }, async () => {
      for (let i = 0; i < times; i++) {
        const response = await read("greedy", "slow");
        await response.arrayBuffer();
        greedy.push(response.status);
      }
    });
    const others: number[] = [];
    const latencies: number[] = [];
    for (let i = 0; i < 50; i++) {
      for (const token of ["modest", adminToken]) {
        for (const send of [read, submit]) {
          const { result, ms } = await timed(() => send(token));
          await result.arrayBuffer();
          others.push(result.status);
          latencies.push(ms);
        }
      }
    }
    release.resolve();
    await Promise.all(flood);

    assert.deepEqual(new Set(others), new Set([200, 201]));
    // A pause of the machine delays few of them, a wait for the flood all.
    const mostMs = latencies.toSorted((a, b) => a - b)[Math.floor(0.95 * latencies.length)]!;
    assert.ok(mostMs < scaled(500), `${mostMs} ms`);
    assert.ok(Math.max(...latencies) < scaled(2000), `${Math.max(...latencies)} ms`);
    assert.equal(mostSlow, share);
    assert.equal(greedy.length, clients * times);
    assert.deepEqual(new Set(greedy), new Set([200, 429]));
  });

  it("accepts submissions of others while that key sends its own one byte at a time", async () => {
    const { hostname, port } = new URL(stack().gateway.url);
    const head =
      "POST /v1/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer greedy\r\nConnection: close\r\n" +
      `Content-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n`;
    let closed = 0;
    const rejected = deferred();
    const uploads = Array.from({ length: 3 * share }, () => {
      const socket = connect(Number(port), hostname).setEncoding("latin1");
      const closedSocket = deferred();
      const upload = { socket, text: "", done: closedSocket.promise };
      socket.on("error", () => undefined).on("data", (chunk: string) => (upload.text += chunk));
      socket.once("close", () => {
        closedSocket.resolve();
        closed += 1;
        if (closed === 2 * share) rejected.resolve();
      });
      socket.write(head);
      return upload;
    });
    const statuses = () => uploads.map(({ text }) => /^HTTP\/1\.1 (\d+) /.exec(text)?.[1]).sort();
    const times = (count: number, status?: string) => Array.from({ length: count }, () => status);
    await rejected.promise;
    assert.deepEqual(statuses(), [...times(2 * share, "429"), ...times(share)]);

    for (const byte of json) {
      for (const token of ["modest", adminToken]) assert.equal((await submit(token)).status, 201);
      assert.equal((await submit("greedy")).status, 429);
      for (const { socket, text } of uploads) if (text === "") socket.write(byte);
    }
    await Promise.all(uploads.map(({ done }) => done));
    assert.deepEqual(statuses(), [...times(share, "201"), ...times(2 * share, "429")]);
    assert.equal((await submit("greedy")).status, 201);
  });
});
