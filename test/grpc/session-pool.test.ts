import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { Code } from "@connectrpc/connect";
import type { ConnectError } from "@connectrpc/connect";
import { suite } from "../support/gateway.ts";
import { respondWith, frameType, grpcHeader, grpcMessage, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { startRawServer } from "./raw-server.ts";
import { callCases } from "./transport-cases.ts";
import { poolClient } from "./transports.ts";

const ok = { "grpc-status": "0" };

const respond = respondWith("w1");

describe("SessionPool", () => {
  const server = suite(startFrameServer);
  const shared = suite(() => Promise.resolve(poolClient(server().url)));

  it("sends calls on one session, before and after it is connected", async () => {
    server().serve = respond;
    const { client } = shared();
    const before = server().connections.ever;
    await Promise.all(Array.from({ length: 30 }, () => client.getWorkflow({})));
    await client.getWorkflow({});
    assert.equal(server().connections.ever, before + 1);
  });

  it("opens a new session after GOAWAY, and lets the old one finish", async () => {
    const { client } = shared();
    let first: ServerStream | undefined;
    server().serve = (stream) => {
      first = stream;
      stream.header(grpcHeader);
      stream.goaway(stream.streamId, 0);
      stream.data(grpcMessage("w1"));
    };
    const events = client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    const before = server().connections.ever;
    await events.next();
    server().serve = respond;
    await client.getWorkflow({});
    assert.equal(server().connections.ever, before + 1);
    first?.data(grpcMessage("w2"));
    first?.header(ok, "ends");
    assert.equal((await events.next()).value?.workflowId, "w2");
    assert.equal((await events.next()).done, true);
  });

  it("opens a new session before stream ids run out, and lets the old one finish", async () => {
    const { client, close } = poolClient(server().url, { streamsPerSession: 2 });
    const before = server().connections.ever;
    let first: ServerStream | undefined;
    server().serve = (stream) => (first === undefined ? (first = stream) : respond(stream));
    const early = client.getWorkflow({});
    for (let count = 0; count < 4; count++) await client.getWorkflow({});
    assert.equal(server().connections.ever, before + 3);
    assert.ok(first);
    respond(first);
    assert.equal((await early).id, "w1");
    await close();
  });

  it("rejects calls once it is closed", async () => {
    const { client, close } = poolClient(server().url);
    await close();
    await assert.rejects(client.getWorkflow({}), { code: Code.Unavailable });
  });

  it("disables server push", async () => {
    const { client, close } = poolClient(server().url);
    server().serve = respond;
    const settings = server().next(frameType.settings);
    await client.getWorkflow({});
    const enablePush = (await settings).payload.indexOf(Buffer.from([0, 2, 0, 0, 0, 0]));
    assert.equal(enablePush % 6, 0);
    await close();
  });

  it("accepts a deadline that is longer than any timer", async () => {
    const { client } = shared();
    server().serve = respond;
    let waiting: ServerStream | undefined;
    server().serve = (stream) => (waiting === undefined ? (waiting = stream) : respond(stream));
    const call = client.getWorkflow({}, { timeoutMs: 2 ** 40 });
    for (let count = 0; count < 30; count++) await client.getWorkflow({});
    assert.ok(waiting);
    respond(waiting);
    assert.equal((await call).id, "w1");
  });

  it("leaves no abort listener and no timer after any end of a call", async () => {
    const { client } = shared();
    server().serve = respond;
    await client.getWorkflow({});
    const timers = () => process.getActiveResourcesInfo().filter((what) => what === "Timeout").length;
    const { connections } = server();
    const before = { timers: timers(), connections };

    const controller = new AbortController();
    const options = { signal: controller.signal, timeoutMs: 600_000 };
    const kept = [callCases.messages, callCases["a status"], callCases["responses that are not gRPC"]].flat();
    for (const { serve } of [...kept, { serve: (stream: ServerStream) => stream.reset(2) }]) {
      server().serve = serve;
      await client.getWorkflow({}, options).catch(() => undefined);
      const events = client.streamWorkflowEvents({}, options)[Symbol.asyncIterator]();
      for (let isOver = false; !isOver;) {
        isOver = await events.next().then(
          ({ done }) => done === true,
          () => true,
        );
      }
    }
    server().serve = respond;
    await client.getWorkflow({}, options);
    assert.deepEqual({ timers: timers(), connections: server().connections }, before);
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });

  it("ends open calls when it is closed", async () => {
    const { client, close } = poolClient(server().url);
    server().serve = (stream) => stream.header(grpcHeader);
    const events = client.streamWorkflowEvents({})[Symbol.asyncIterator]().next();
    server().serve = () => void close();
    await assert.rejects(Promise.all([events, client.getWorkflow({})]), { code: Code.Unavailable });
  });

  for (const [what, url] of [
    ["refuses connections", "http://127.0.0.1:1"],
    ["has no address", "http://orchestrator.invalid"],
  ] as const)
    it(`rejects every call with Unavailable if the host ${what}`, async () => {
      const { client, close } = poolClient(url);
      for (const n of [1, 2]) {
        await assert.rejects(client.getWorkflow({}), { code: Code.Unavailable }, `call ${n}`);
        await assert.rejects(client.streamWorkflowEvents({})[Symbol.asyncIterator]().next(), {
          code: Code.Unavailable,
        });
      }
      await close();
    });

  it("rejects every call with Unavailable if the server speaks HTTP/1.1", async () => {
    using http1 = await startRawServer((socket) => socket.end("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
    const { client, close } = poolClient(http1.url);
    const error = {
      code: Code.Unavailable,
      rawMessage: "the server speaks HTTP/1.1 instead of HTTP/2",
    };
    const calls = [client.getWorkflow({}), client.submitWorkflow({}), client.getWorkflow({})];
    for (const call of calls) await assert.rejects(call, error);
    await close();
  });

  it("rejects with the reason why a host cannot be reached", async () => {
    const { client, close } = poolClient("http://127.0.0.1:1");
    await assert.rejects(client.getWorkflow({}), (error: ConnectError) => {
      assert.match(error.rawMessage, /^connect ECONNREFUSED/);
      assert.equal((error.cause as NodeJS.ErrnoException).code, "ECONNREFUSED");
      return true;
    });
    await close();
  });
});
