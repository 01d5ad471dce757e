import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Code } from "@connectrpc/connect";
import type { ConnectError } from "@connectrpc/connect";
import { suite } from "../support/gateway.ts";
import { respondWith, frameType, grpcHeader, grpcMessage, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { callCases } from "./transport-cases.ts";
import { poolClient } from "./transports.ts";

const ok = { "grpc-status": "0" };

const respond = respondWith("w1");

/** A client over a pool, and the node:http2 sessions of the pool. */
function watchedClient(url: string, options = {}) {
  const sessions = new Set<ClientHttp2Session>();
  function onStream(message: unknown) {
    sessions.add((message as { stream: { session: ClientHttp2Session } }).stream.session);
  }
  subscribe("http2.client.stream.created", onStream);
  const { client, close } = poolClient(url, options);
  return {
    client,
    sessions,
    close() {
      unsubscribe("http2.client.stream.created", onStream);
      return close();
    },
  };
}

describe("SessionPool", () => {
  const server = suite(startFrameServer);
  const watched = suite(() => Promise.resolve(watchedClient(server().url)));

  it("sends calls on one session, before and after it is connected", async () => {
    server().serve = respond;
    const { client, sessions } = watched();
    await Promise.all(Array.from({ length: 30 }, () => client.getWorkflow({})));
    await client.getWorkflow({});
    assert.equal(sessions.size, 1);
  });

  it("opens a new session after GOAWAY, and lets the old one finish", async () => {
    const { client, sessions } = watched();
    let first: ServerStream | undefined;
    server().serve = (stream) => {
      first = stream;
      stream.header(grpcHeader);
      stream.data(grpcMessage("w1"));
      stream.goaway(stream.streamId, 0);
    };
    const events = client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    const before = sessions.size;
    await events.next();
    const session = [...sessions].at(-1);
    await new Promise((resolve) =>
      session?.closed === true ? resolve(undefined) : session?.once("goaway", resolve),
    );
    server().serve = respond;
    await client.getWorkflow({});
    assert.ok(sessions.size > before);
    first?.data(grpcMessage("w2"));
    first?.header(ok, "ends");
    assert.equal((await events.next()).value?.workflowId, "w2");
    assert.equal((await events.next()).done, true);
  });

  it("opens a new session before stream ids run out, and lets the old one finish", async () => {
    const { client, sessions, close } = watchedClient(server().url, { streamsPerSession: 2 });
    let first: ServerStream | undefined;
    server().serve = (stream) => (first === undefined ? (first = stream) : respond(stream));
    const early = client.getWorkflow({});
    for (let count = 0; count < 4; count++) await client.getWorkflow({});
    assert.equal(sessions.size, 3);
    assert.ok(first);
    respond(first);
    assert.equal((await early).id, "w1");
    await close();
  });

  it("rejects calls once it is closed", async () => {
    const { client, close } = watchedClient(server().url);
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
    const { client } = watched();
    server().serve = respond;
    let waiting: ServerStream | undefined;
    server().serve = (stream) => (waiting === undefined ? (waiting = stream) : respond(stream));
    const call = client.getWorkflow({}, { timeoutMs: 2 ** 40 });
    for (let count = 0; count < 30; count++) await client.getWorkflow({});
    assert.ok(waiting);
    respond(waiting);
    assert.equal((await call).id, "w1");
  });

  it("leaves no listener and no timer after any end of a call", async () => {
    const { client, sessions } = watched();
    server().serve = respond;
    await client.getWorkflow({});
    const session = [...sessions].at(-1);
    const listeners = () =>
      session?.eventNames().reduce((sum, name) => sum + session.listenerCount(name), 0) ?? 0;
    const timers = () => process.getActiveResourcesInfo().filter((what) => what === "Timeout").length;
    const before = { listeners: listeners(), timers: timers(), sessions: sessions.size };

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
    assert.deepEqual({ listeners: listeners(), timers: timers(), sessions: sessions.size }, before);
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });

  it("ends open calls when it is closed", async () => {
    const { client, close } = watchedClient(server().url);
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
