import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { respondWith, frameType, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { poolClient } from "./transports.ts";
import { until } from "../support/until.ts";

/** How many concurrent streams the server allows on a session. */
const limit = 10;

const respond = respondWith("w1");

/**
 * A server that holds its requests, and a client with `count` reads in progress, the first `limit` of them on
 * the first connection.
 */
async function startReading(count: number, keepalive = { timeMs: 60_000, timeoutMs: 60_000 }) {
  const server = await startFrameServer();
  server.maxStreams = limit;
  const held: ServerStream[] = [];
  server.serve = (stream) => held.push(stream);
  const { client, close } = poolClient(server.url, { keepalive });
  const read = () => client.getWorkflow({});
  const reads: ReturnType<typeof read>[] = [];
  while (reads.length < count) {
    reads.push(...Array.from({ length: Math.min(limit, count - reads.length) }, read));
    await until(() => held.length === reads.length);
  }
  return {
    server,
    client,
    read,
    reads,
    /** The requests on one connection. */
    on: (connection: number) => held.filter((stream) => stream.connection === connection),
    /** Calls `serve` with each new stream of an existing connection; later connections respond. */
    serveExisting(serve: (stream: ServerStream) => void) {
      const { ever } = server.connections;
      server.serve = (stream) => (stream.connection <= ever ? serve : respond)(stream);
    },
    async [Symbol.asyncDispose]() {
      await close();
      await server.close();
    },
  };
}

describe("SessionPool: unresponsive sessions", () => {
  it("serves every read at its second attempt if the server is silent", async () => {
    await using reading = await startReading(13, { timeMs: 40, timeoutMs: 100 });
    const { server, reads, client } = reading;
    server.responds = false;
    reading.serveExisting(() => undefined);
    const firstRepeat = until(() => server.connections.ever >= 3);
    // Made before the second session is unresponsive; a submission is not retried.
    const submission = firstRepeat.then(() => client.submitWorkflow({}));
    await Promise.all([...reads, submission]);
    // At most one connection for the reads of each, and one if no session has room for the submission.
    assert.ok(server.connections.ever <= 5, `${server.connections.ever} connections`);
  });

  for (const [what, fail] of [
    ["destroys the connection", (stream) => stream.destroyConnection()],
    ["ends the connection", (stream) => stream.endConnection()],
    ["sends GOAWAY on the connection", (stream) => stream.goaway(0, 0)],
    ["sends GOAWAY with an error on the connection", (stream) => stream.goaway(0, 2)],
  ] satisfies [string, (stream: ServerStream) => void][])
    it(`serves every read at its second attempt if the server ${what}`, async () => {
      await using reading = await startReading(13);
      const { server, reads, on } = reading;
      // Requests on the second connection before its loss is detected are lost with it.
      reading.serveExisting(fail);
      on(1).slice(0, 1).forEach(fail);
      await Promise.all(reads.slice(0, limit));
      on(2).slice(0, 1).forEach(fail);
      await Promise.all(reads);
      assert.ok(server.connections.ever <= 4, `${server.connections.ever} connections`);
    });

  it("opens at most one connection for each lost one, for any number of retried reads", async () => {
    await using reading = await startReading(10 * limit);
    const { server, reads, on } = reading;
    const { ever } = server.connections;
    assert.equal(ever, 10);
    reading.serveExisting((stream) => stream.destroyConnection());
    for (let connection = 1; connection <= ever; connection += 1) on(connection)[0]?.destroyConnection();
    await Promise.all(reads);
    assert.ok(server.connections.ever <= 2 * ever, `${server.connections.ever} connections`);
  });

  it("uses an unresponsive session again once it receives something", async () => {
    await using reading = await startReading(12);
    const { server, read, reads, on } = reading;
    const seen: number[] = [];
    server.serve = (stream) => {
      seen.push(stream.connection);
      respond(stream);
    };
    on(1)[0]?.destroyConnection();
    await Promise.all(reads.slice(0, limit));
    assert.deepEqual(new Set(seen.splice(0)), new Set([3]));
    on(2).slice(0, 1).forEach(respond);
    await reads[limit];
    await read();
    assert.deepEqual(seen, [2]);
    on(2).slice(1).forEach(respond);
    await Promise.all(reads);
  });

  it("does not use an idle session after the loss of another", async () => {
    await using reading = await startReading(11, { timeMs: 20, timeoutMs: 1000 });
    const { server, reads, on } = reading;
    on(2).forEach(respond);
    await reads[limit];
    // After two pings the second session is idle but open, since the first one has no room.
    for (let count = 0; count < 2; count++) await server.next(frameType.ping);
    reading.serveExisting(() => undefined);
    on(1)[0]?.destroyConnection();
    await Promise.all(reads);
    await until(() => server.connections.now === 1);
    assert.equal(server.connections.ever, 3);
  });

  it("uses another session as soon as a socket breaks", async () => {
    const sockets: Socket[] = [];
    const onSocket = (message: unknown) => sockets.push((message as { socket: Socket }).socket);
    subscribe("net.client.socket", onSocket);
    await using reading = await startReading(1);
    unsubscribe("net.client.socket", onSocket);
    reading.serveExisting(() => undefined);
    sockets[0]?.destroy();
    // A submission is not retried.
    await Promise.all([reading.client.submitWorkflow({}), ...reading.reads]);
    assert.equal(reading.server.connections.ever, 2);
  });
});
