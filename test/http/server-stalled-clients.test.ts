import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { setInterval as ticks } from "node:timers/promises";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import type { LogLine, TestGateway } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { sha256, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted, startStack } from "../support/stack.ts";

/** More than all the buffers between two sockets of one machine hold. */
const bytes = Buffer.alloc(32 * 1024 * 1024);
const artifact = { uri: "r2://foldforge/big", sizeBytes: BigInt(bytes.length), sha256: sha256(bytes) };

/** How long a client may read nothing; bounded, since the tests of slow clients take many times as long. */
const stallMs = Math.min(scaled(300), 3000);

describe("a client that stops reading", () => {
  const store = suite(startTestStore);
  const stack = suite(() =>
    startStack(
      {},
      {
        ...storeSettings(store()),
        STALL_TIMEOUT_SECONDS: String(stallMs / 1000),
        KEEP_ALIVE_TIMEOUT_SECONDS: "60",
      },
    ),
  );

  /** Sends a GET and reads nothing. */
  function ask(path: string): Socket {
    const { hostname, port } = new URL(stack().gateway.url);
    const socket = connect(Number(port), hostname).pause();
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\n\r\n`);
    return socket.on("error", () => undefined);
  }

  it("is disconnected during a download, without a logged failure", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [artifact]);
    store().respond = serveBytes(bytes);
    const from = stack().gateway.logs.length;
    const socket = ask("/v1/workflows/w1/artifacts/big");
    const line = await nextRequest(stack().gateway, from);
    assert.deepEqual([line["status"], line["complete"]], [200, false]);
    assert.ok(!stack().gateway.logs.some(({ event }) => event === "request.failed"));
    socket.destroy();
  });

  it("is disconnected although it goes on sending", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [artifact]);
    store().respond = serveBytes(bytes);
    const from = stack().gateway.logs.length;
    const socket = ask("/v1/workflows/w1/artifacts/big");
    const dripping = setInterval(() => socket.write("\r\n"), 50);
    const line = await nextRequest(stack().gateway, from);
    clearInterval(dripping);
    assert.deepEqual([line["status"], line["complete"]], [200, false]);
    socket.destroy();
  });

  /** Makes the response to a GET of a workflow longer than the file. */
  function respondWithLargeJson() {
    const { spec, ...rest } = workflowIn(JobState.RUNNING);
    const steps = spec!.steps.map((step) => ({ ...step, params: { text: "x".repeat(bytes.length) } }));
    stack().upstream.rpcs.getWorkflow = () => ({ ...rest, spec: { ...spec!, steps } });
  }

  it("is disconnected during a large JSON response", async () => {
    respondWithLargeJson();
    const from = stack().gateway.logs.length;
    const socket = ask("/v1/workflows/w1");
    const line = await nextRequest(stack().gateway, from);
    assert.deepEqual([line["status"], line["complete"]], [200, false]);
    assert.ok(!stack().gateway.logs.some(({ event }) => event === "request.failed"));
    socket.destroy();
  });

  it("stays connected while it reads a large JSON response slowly and goes on sending", async () => {
    respondWithLargeJson();
    const from = stack().gateway.logs.length;
    const socket = ask("/v1/workflows/w1");
    const pace = ticks(stallMs / 2)[Symbol.asyncIterator]();
    let received = 0;
    for await (const chunk of socket) {
      const before = received;
      received += (chunk as Buffer).length;
      if (received > bytes.length) break;
      if (received >> 20 === before >> 20) continue;
      await pace.next();
      socket.write("\r\n");
    }
    await pace.return?.();
    const line = await nextRequest(stack().gateway, from);
    assert.equal(line["complete"], true);
    assert.ok(Number(line["duration_ms"]) > 2 * stallMs);
    socket.destroy();
  });

  it("stays connected while it reads, however slowly", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [artifact]);
    store().respond = serveBytes(bytes);
    const from = stack().gateway.logs.length;
    const socket = ask("/v1/workflows/w1/artifacts/big");
    let received = 0;
    const pace = ticks(stallMs / 5)[Symbol.asyncIterator]();
    for await (const chunk of socket) {
      const before = received;
      received += (chunk as Buffer).length;
      // The whole takes longer than the stall timeout, each part less.
      if (received >> 21 !== before >> 21) await pace.next();
      if (received > bytes.length) break;
    }
    await pace.return?.();
    const line = await nextRequest(stack().gateway, from);
    assert.equal(line["complete"], true);
    assert.ok(Number(line["duration_ms"]) > 2 * stallMs);
    socket.destroy();
  });

  it("stays connected while there is nothing to read, and between two requests", async () => {
    stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield workflowEvent(1n, JobState.RUNNING);
      await whenAborted(signal);
    };
    const idle = ask("/v1/healthz").resume();
    await once(idle, "data");
    const silent = ask("/v1/workflows/w1/events").resume();
    await once(silent, "data");
    const from = stack().gateway.logs.length;
    // Began to stall after the others had become idle.
    const stalled = ask("/v1/workflows/w1/artifacts/big");
    assert.match(String((await nextRequest(stack().gateway, from))["path"]), /artifacts/);
    assert.deepEqual([idle.closed, silent.closed], [false, false]);
    for (const socket of [idle, silent, stalled]) socket.destroy();
  });
});

/** The first line on a request after so many lines. */
async function nextRequest(gateway: TestGateway, from: number): Promise<LogLine> {
  for (;;) {
    const line = gateway.logs.slice(from).find(({ event }) => event === "request.completed");
    if (line !== undefined) return line;
    await once(gateway.logged, "line");
  }
}
