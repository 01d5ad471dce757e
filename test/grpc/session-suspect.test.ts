import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { respondWith, frameType, startFrameServer } from "./frame-server.ts";
import type { Peer } from "./frame-server.ts";
import { poolClient, until } from "./transports.ts";

/** How many streams at a time the server allows on a session. */
const limit = 10;

const answer = respondWith("w1");

/**
 * A server that holds what it is asked, and a client with so many reads under way, the first `limit` of them on
 * the first connection.
 */
async function startReading(count: number, keepalive = { timeMs: 60_000, timeoutMs: 60_000 }) {
  const server = await startFrameServer();
  server.maxStreams = limit;
  const held: Peer[] = [];
  server.serve = (peer) => held.push(peer);
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
    on: (connection: number) => held.filter((peer) => peer.connection === connection),
    /** Existing connections do this with each new stream; later ones respond. */
    doom(last: (peer: Peer) => void) {
      const { ever } = server.connections;
      server.serve = (peer) => (peer.connection <= ever ? last : answer)(peer);
    },
    async [Symbol.asyncDispose]() {
      await close();
      await server.close();
    },
  };
}

describe("SessionPool: suspect sessions", () => {
  it("serves every read at its second attempt if the server is silent", async () => {
    await using reading = await startReading(13, { timeMs: 40, timeoutMs: 100 });
    const { server, reads, client } = reading;
    server.responds = false;
    reading.doom(() => undefined);
    const firstRepeat = until(() => server.connections.ever === 3);
    // Made while the second connection is still thought to live; it is not made again.
    const submission = firstRepeat.then(() => client.submitWorkflow({}));
    await Promise.all([...reads, submission]);
    // At most one for the reads of each, and one where the submission finds no room.
    assert.ok(server.connections.ever <= 5, `${server.connections.ever} connections`);
  });

  for (const [what, lose] of [
    ["cuts the connection", (peer) => peer.cut()],
    ["ends the connection", (peer) => peer.hangUp()],
    ["sends GOAWAY on the connection", (peer) => peer.goaway(0, 0)],
    ["sends GOAWAY with an error on the connection", (peer) => peer.goaway(0, 2)],
  ] satisfies [string, (peer: Peer) => void][])
    it(`serves every read at its second attempt if the server ${what}`, async () => {
      await using reading = await startReading(13);
      const { server, reads, on } = reading;
      // What comes on the second connection before its loss is noticed is lost with it.
      reading.doom(lose);
      on(1).slice(0, 1).forEach(lose);
      await Promise.all(reads.slice(0, limit));
      on(2).slice(0, 1).forEach(lose);
      await Promise.all(reads);
      assert.ok(server.connections.ever <= 4, `${server.connections.ever} connections`);
    });

  it("opens no more connections than were lost, however many reads are retried", async () => {
    await using reading = await startReading(10 * limit);
    const { server, reads, on } = reading;
    const { ever } = server.connections;
    assert.equal(ever, 10);
    reading.doom((peer) => peer.cut());
    for (let connection = 1; connection <= ever; connection += 1) on(connection)[0]?.cut();
    await Promise.all(reads);
    assert.ok(server.connections.ever <= 2 * ever, `${server.connections.ever} connections`);
  });

  it("uses a session again that has received something", async () => {
    await using reading = await startReading(12);
    const { server, read, reads, on } = reading;
    const seen: number[] = [];
    server.serve = (peer) => {
      seen.push(peer.connection);
      answer(peer);
    };
    on(1)[0]?.cut();
    await Promise.all(reads.slice(0, limit));
    assert.deepEqual(new Set(seen.splice(0)), new Set([3]));
    on(2).slice(0, 1).forEach(answer);
    await reads[limit];
    await read();
    assert.deepEqual(seen, [2]);
    on(2).slice(1).forEach(answer);
    await Promise.all(reads);
  });

  it("does not use an idle session after the loss of another", async () => {
    await using reading = await startReading(11, { timeMs: 20, timeoutMs: 1000 });
    const { server, reads, on } = reading;
    on(2).forEach(answer);
    await reads[limit];
    // By then the second connection was found idle, and kept: the first one has no room.
    for (let count = 0; count < 2; count++) await server.next(frameType.ping);
    reading.doom(() => undefined);
    on(1)[0]?.cut();
    await Promise.all(reads);
    await until(() => server.connections.now === 1);
    assert.equal(server.connections.ever, 3);
  });

  it("uses another session from the moment that a socket breaks", async () => {
    const sockets: Socket[] = [];
    const onSocket = (message: unknown) => sockets.push((message as { socket: Socket }).socket);
    subscribe("net.client.socket", onSocket);
    await using reading = await startReading(1);
    unsubscribe("net.client.socket", onSocket);
    reading.doom(() => undefined);
    sockets[0]?.destroy();
    // A submission is not made again.
    await Promise.all([reading.client.submitWorkflow({}), ...reading.reads]);
    assert.equal(reading.server.connections.ever, 2);
  });
});
