import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { frameType, grpcHeader, grpcMessage, startFrameServer } from "./frame-server.ts";
import type { FrameServer, ServerStream } from "./frame-server.ts";
import { sockets, poolClient } from "./transports.ts";
import { until } from "../support/until.ts";

/** With this keepalive, sessions are checked every 5 ms whether they are needed. */
const quick = { keepalive: { timeMs: 20, timeoutMs: 1000 } };

function finish(stream: ServerStream): void {
  stream.data(grpcMessage("w1"));
  stream.header({ "grpc-status": "0" }, "ends");
}

/** A server that begins each response and holds it, and a client. */
async function startPair(
  maxStreams: FrameServer["maxStreams"],
  options: Parameters<typeof poolClient>[1] = quick,
) {
  const server = await startFrameServer();
  server.maxStreams = maxStreams;
  const held: ServerStream[] = [];
  server.serve = (stream) => {
    stream.header(grpcHeader);
    held.push(stream);
  };
  const { client, close } = poolClient(server.url, options);
  const call = async () => (await client.getWorkflow({}, { timeoutMs: 5000 })).id;
  return {
    server,
    held,
    call,
    client,
    /** Makes `count` calls at once. */
    calls: (count: number) => Promise.all(Array.from({ length: count }, call)),
    async [Symbol.asyncDispose]() {
      await close();
      await server.close();
    },
  };
}

/** How many of `streams` are on each connection. */
function shares(streams: readonly ServerStream[]): number[] {
  const counts: number[] = [];
  for (const { connection } of streams) counts[connection - 1] = (counts[connection - 1] ?? 0) + 1;
  return counts;
}

describe("SessionPool: limits of concurrent streams", () => {
  it("opens as many sessions as the calls need", async () => {
    await using pair = await startPair(10);
    const { held, calls } = pair;
    const first = calls(1);
    await until(() => held.length === 1);
    const others = calls(34);
    await until(() => held.length === 35);
    assert.deepEqual(shares(held), [10, 10, 10, 5]);
    held.forEach(finish);
    await Promise.all([first, others]);
  });

  it("reuses the capacity of a call after any end", async () => {
    await using pair = await startPair(1);
    const { server, held, call, client } = pair;
    // A stream is closed a little later than its call.
    const closed = () => new Promise(setImmediate);
    const leaving = new AbortController();
    const aborted = client.getWorkflow({}, { signal: leaving.signal });
    await until(() => held.length === 1);
    leaving.abort();
    await assert.rejects(aborted, { code: Code.Canceled });
    await closed();
    server.serve = (stream) => stream.reset(8);
    await assert.rejects(client.submitWorkflow({}), { code: Code.Unavailable });
    await closed();
    server.serve = (stream) => stream.header({ ...grpcHeader, "grpc-status": "5" }, "ends");
    await assert.rejects(call(), { code: Code.NotFound });
    await closed();
    server.serve = (stream) => {
      stream.header(grpcHeader);
      finish(stream);
    };
    await call();
    assert.equal(server.connections.ever, 1);
  });

  it("opens 100 streams on a session without settings, and follows the settings", async () => {
    await using pair = await startPair(1000);
    const { held, calls } = pair;
    const early = calls(150);
    await until(() => held.length === 150);
    assert.deepEqual(shares(held), [100, 50]);
    const late = calls(100);
    await until(() => held.length === 250);
    assert.deepEqual(shares(held), [200, 50]);
    held.forEach(finish);
    await Promise.all([early, late]);
  });

  it("sends each call once and within the limit if the settings lower it", async () => {
    await using pair = await startPair(10);
    const { server, held, calls, client } = pair;
    const all = calls(60);
    const submissions = Array.from({ length: 5 }, () => client.submitWorkflow({}));
    await until(() => held.length === 65);
    assert.deepEqual(shares(held), [10, 10, 10, 10, 10, 10, 5]);
    held.forEach(finish);
    await Promise.all([all, ...submissions]);
    assert.equal(server.connections.ever, 7);
  });

  it("remembers the limit for later sessions", async () => {
    await using pair = await startPair(3);
    const { held, calls, call } = pair;
    const first = call();
    await until(() => held.length === 1);
    held.splice(0).forEach((stream) => {
      finish(stream);
      stream.goaway(stream.streamId, 0);
    });
    await first;
    // Without the limit, all would wait for the settings of one session.
    const next = calls(7);
    await until(() => held.length === 7);
    assert.deepEqual(shares(held).slice(1), [3, 3, 1]);
    held.forEach(finish);
    await next;
  });

  it("follows a changed limit", async () => {
    await using pair = await startPair(1);
    const { server, held, calls } = pair;
    const first = calls(1);
    await until(() => held.length === 1);
    const raised = server.next(frameType.settings);
    held[0]?.limit(3);
    await raised;
    const more = calls(2);
    await until(() => held.length === 3);
    const lowered = server.next(frameType.settings);
    held[0]?.limit(2);
    await lowered;
    held.splice(0, 1).forEach(finish);
    await first;
    const last = calls(1);
    await until(() => held.length === 3);
    assert.deepEqual(shares(held), [2, 1]);
    held.forEach(finish);
    await Promise.all([more, last]);
  });

  it("rejects soon while the server allows no streams, and succeeds once it allows some", async () => {
    // No session is closed as idle.
    await using pair = await startPair(0, { keepalive: { timeMs: 60_000, timeoutMs: 60_000 } });
    const { server, call, calls, held } = pair;
    await assert.rejects(call(), { code: Code.Unavailable });
    assert.equal(server.connections.ever, 2);
    await until(() => server.connections.now === 0);
    server.maxStreams = 5;
    const work = calls(5);
    await until(() => held.length === 5);
    held.forEach(finish);
    await work;
    assert.equal(server.connections.ever, 3);
  });

  it("lets calls finish if the server allows no more, and opens another session", async () => {
    await using pair = await startPair(5);
    const { server, held, calls } = pair;
    const first = calls(1);
    await until(() => held.length === 1);
    const told = server.next(frameType.settings);
    held[0]?.limit(0);
    await told;
    const second = calls(1);
    await until(() => held.length === 2);
    assert.deepEqual(shares(held), [1, 1]);
    held.forEach(finish);
    await Promise.all([first, second]);
    await until(() => server.connections.now === 1);
  });

  it("closes idle sessions except one", async () => {
    await using pair = await startPair(2);
    const { server, held, calls, call } = pair;
    const all = calls(9);
    await until(() => held.length === 9);
    assert.equal(server.connections.now, 5);
    held.splice(0).forEach(finish);
    await all;
    await until(() => server.connections.now === 1);
    const next = call();
    await until(() => held.length === 1);
    held.forEach(finish);
    await next;
    assert.equal(server.connections.ever, 5);
  });

  it("closes an idle session that takes no more streams", async () => {
    await using pair = await startPair(5, { ...quick, streamsPerSession: 2 });
    const { server, held, calls } = pair;
    const both = calls(2);
    await until(() => held.length === 2);
    held.forEach(finish);
    await both;
    await until(() => server.connections.now === 0);
  });

  it("does not wait for the server to close its only session", async () => {
    await using pair = await startPair(5, { ...quick, streamsPerSession: 1 });
    const { server, held, call } = pair;
    const before = sockets();
    const work = call();
    await until(() => held.length === 1);
    server.freeze();
    held.forEach(finish);
    await work;
    await until(() => sockets() === before + 1);
  });

  it("does not wait for the server to close an idle session after GOAWAY", async () => {
    await using pair = await startPair(5);
    await using clock = await startPair(5);
    const { server, held, call } = pair;
    const before = sockets();
    const work = call();
    await until(() => held.length === 1);
    held.forEach(finish);
    await work;
    const ticking = clock.call();
    // By then a check has found that the session is idle.
    for (let count = 0; count < 3; count++) await clock.server.next(frameType.ping);
    server.freeze();
    held[0]?.goaway(1, 0);
    await until(() => sockets() === before + 3);
    clock.held.forEach(finish);
    await ticking;
  });

  it("does not wait for the server to close a session that is not needed", async () => {
    await using pair = await startPair(1);
    const { server, held, calls } = pair;
    const before = sockets();
    const both = calls(2);
    await until(() => held.length === 2);
    assert.equal(sockets(), before + 4);
    server.freeze();
    held.forEach(finish);
    await both;
    // The server's end of the connection stays open.
    await until(() => sockets() === before + 3);
    assert.equal(server.connections.now, 2);
  });
});
