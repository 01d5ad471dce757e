import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { BufferedBytes } from "../../src/load-shedding/buffered-bytes.ts";
import { suite } from "../support/gateway.ts";
import { until } from "../support/until.ts";

/** More than all socket buffers between two ends on one machine hold. */
const backlog = Buffer.alloc(16 * 1024 * 1024);
const stallTimeoutMs = 60_000;

/** The server's end of a connection, with a write buffer, and its client, which reads only when resumed. */
interface Connection {
  readonly socket: Socket;
  readonly client: Socket;
}

/** How many bytes of a write the kernel has not accepted; Node's types do not declare it. */
function unsent(socket: Socket): number {
  return (socket as Socket & { _handle: { writeQueueSize: number } })._handle.writeQueueSize;
}

/** Resolves when the kernel accepts no more bytes. */
async function settled({ socket }: Connection): Promise<void> {
  for (let quiet = 0, before = unsent(socket); quiet < 100; quiet += 1) {
    await new Promise(setImmediate);
    if (unsent(socket) !== before) quiet = 0;
    before = unsent(socket);
  }
}

describe("BufferedBytes", () => {
  const server = suite(async () => {
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const sockets = new Set<Socket>();
    const { port } = listener.address() as AddressInfo;
    return {
      async open(): Promise<Connection> {
        const accepted = once(listener, "connection") as Promise<[Socket]>;
        const client = connect(port, "127.0.0.1").pause();
        const [socket] = await accepted;
        for (const end of [socket, client]) sockets.add(end.on("error", () => undefined));
        return { socket: socket.resume(), client };
      },
      async close() {
        for (const socket of sockets) socket.destroy();
        const closed = once(listener, "close");
        listener.close();
        await closed;
      },
    };
  });

  /** A connection whose client reads nothing and whose backlog is as small as the kernel makes it. */
  async function openWithBacklog(): Promise<Connection> {
    const connection = await server().open();
    connection.socket.write(backlog);
    await settled(connection);
    return connection;
  }

  /** Makes the client read a chunk at a time until the kernel has accepted more than so many bytes; how many it has. */
  async function read({ socket, client }: Connection, bytes: number): Promise<number> {
    const before = unsent(socket);
    while (before - unsent(socket) <= bytes) {
      const chunk = once(client, "data");
      client.once("data", () => client.pause()).resume();
      await chunk;
      await settled({ socket, client });
    }
    return before - unsent(socket);
  }

  /** BufferedBytes with this limit, and the number of clients that it has disconnected. */
  function start(limit: number) {
    const disconnected = { count: 0 };
    const buffered = new BufferedBytes({
      limit,
      stallTimeoutMs,
      onSlowClientDisconnected: () => (disconnected.count += 1),
    });
    return { buffered, disconnected };
  }

  it("counts a write buffer until the client has read it", async () => {
    const { buffered, disconnected } = start(Infinity);
    const { socket, client } = await openWithBacklog();
    buffered.track(socket);
    buffered.track(socket);
    assert.equal(buffered.memory.used, backlog.length);
    client.resume();
    await until(() => socket.writableLength === 0);
    buffered.disconnectStalled([socket]);
    assert.deepEqual([buffered.memory.used, disconnected.count, socket.destroyed], [0, 0, false]);
  });

  it("counts nothing for an idle connection", async () => {
    const { buffered } = start(Infinity);
    const { socket } = await server().open();
    buffered.track(socket);
    buffered.disconnectStalled([socket]);
    assert.equal(buffered.memory.used, 0);
  });

  it("releases the bytes of a connection that closes", async () => {
    const { buffered, disconnected } = start(backlog.length);
    const { socket, client } = await openWithBacklog();
    buffered.track(socket);
    const waiting = buffered.memory.acquire(1);
    client.destroy();
    await waiting;
    assert.equal(socket.destroyed, true);
    assert.deepEqual([buffered.memory.used, disconnected.count], [1, 0]);
  });

  it("leaves no listeners on connections without a backlog", async () => {
    const { buffered } = start(Infinity);
    const { socket, client } = await server().open();
    client.resume();
    const before = socket.listenerCount("close");
    for (let round = 0; round < 3; round += 1) {
      socket.write(backlog);
      buffered.track(socket);
      assert.equal(socket.listenerCount("close"), before + 1);
      await until(() => socket.writableLength === 0);
      buffered.disconnectStalled([socket]);
    }
    assert.equal(socket.listenerCount("close"), before);
  });

  it("counts backlogs and messages together", async () => {
    const { buffered } = start(2 * backlog.length);
    const { socket } = await openWithBacklog();
    buffered.track(socket);
    assert.equal(buffered.tryAcquire(backlog.length + 1), undefined);
    const lease = buffered.tryAcquire(backlog.length);
    assert.ok(lease);
    assert.equal(buffered.memory.used, 2 * backlog.length);
    lease.resize(0);
    assert.equal(buffered.memory.used, backlog.length);
  });

  describe("track", () => {
    it("disconnects the slowest clients above the limit, and no more than necessary", async () => {
      const { buffered, disconnected } = start(3.25 * backlog.length);
      const [slow, stalled, fast] = [
        await openWithBacklog(),
        await openWithBacklog(),
        await openWithBacklog(),
      ];
      for (const { socket } of [slow, stalled, fast]) buffered.track(socket, 0);
      await read(fast, await read(slow, 0));
      buffered.disconnectStalled([], 1000);
      assert.deepEqual([buffered.memory.used, disconnected.count], [3 * backlog.length, 0]);

      // The rate of a new client is not known.
      const newest = await openWithBacklog();
      buffered.track(newest.socket, 1001);
      assert.deepEqual(
        [stalled, slow, fast, newest].map(({ socket }) => socket.destroyed),
        [true, true, false, false],
      );
      // Seven eighths of the limit are less than three backlogs.
      assert.deepEqual([buffered.memory.used, disconnected.count], [2 * backlog.length, 2]);
    });

    it("disconnects the client with more bytes, of two that read nothing", async () => {
      const { buffered, disconnected } = start(2.25 * backlog.length);
      const [small, large] = [await openWithBacklog(), await openWithBacklog()];
      large.socket.write(Buffer.alloc(1024));
      for (const { socket } of [small, large]) buffered.track(socket, 0);
      buffered.disconnectStalled([], 1000);
      small.socket.write(backlog.subarray(0, backlog.length / 2));
      large.socket.write(backlog.subarray(0, backlog.length / 2));
      buffered.track(small.socket, 1001);
      assert.deepEqual(
        [small.socket.destroyed, large.socket.destroyed, disconnected.count],
        [false, true, 1],
      );
    });

    it("disconnects a client whose backlog alone exceeds the limit", async () => {
      const { buffered, disconnected } = start(backlog.length - 1);
      const { socket } = await openWithBacklog();
      buffered.track(socket);
      assert.deepEqual([socket.destroyed, buffered.memory.used, disconnected.count], [true, 0, 1]);
    });

    it("disconnects no client for bytes that another has read in the meantime", async () => {
      const { buffered, disconnected } = start(1.5 * backlog.length);
      const [read, other] = [await openWithBacklog(), await openWithBacklog()];
      buffered.track(read.socket);
      read.client.resume();
      await until(() => read.socket.writableLength === 0);
      buffered.track(other.socket);
      assert.deepEqual([buffered.memory.used, disconnected.count], [backlog.length, 0]);
    });
  });

  describe("disconnectStalled", () => {
    it("disconnects a client that sends bytes but reads nothing for the timeout", async () => {
      const { buffered, disconnected } = start(Infinity);
      const { socket, client } = await openWithBacklog();
      buffered.track(socket, 0);
      client.write("x");
      await until(() => socket.bytesRead === 1);
      buffered.disconnectStalled([socket], stallTimeoutMs - 1);
      assert.equal(socket.destroyed, false);
      buffered.disconnectStalled([socket], stallTimeoutMs);
      assert.deepEqual([socket.destroyed, buffered.memory.used], [true, 0]);
      // This does not make room for another client, so it is not counted.
      assert.equal(disconnected.count, 0);
    });

    it("measures a connection that was not tracked", async () => {
      const { buffered } = start(Infinity);
      const { socket, client } = await openWithBacklog();
      buffered.disconnectStalled([socket], 0);
      assert.equal(buffered.memory.used, backlog.length);
      client.write("x");
      await until(() => socket.bytesRead === 1);
      buffered.disconnectStalled([socket], stallTimeoutMs);
      assert.equal(socket.destroyed, true);
    });

    it("keeps a client that sends nothing, which Node's socket timeout is for", async () => {
      const { buffered } = start(Infinity);
      const { socket } = await openWithBacklog();
      buffered.track(socket, 0);
      buffered.disconnectStalled([socket], 10 * stallTimeoutMs);
      assert.equal(socket.destroyed, false);
    });

    it("keeps a client that sends and reads, however slowly", async () => {
      const { buffered } = start(Infinity);
      const connection = await openWithBacklog();
      const { socket, client } = connection;
      buffered.track(socket, 0);
      for (let step = 1; step <= 3; step += 1) {
        client.write("x");
        await until(() => socket.bytesRead === step);
        // Enough for the kernel to accept more.
        await read(connection, 0);
        buffered.disconnectStalled([socket], step * (stallTimeoutMs - 1));
      }
      assert.equal(socket.destroyed, false);
      assert.equal(socket.writableLength, backlog.length);
    });
  });

  describe("acquire", () => {
    it("acquires free memory at once", async () => {
      const { buffered, disconnected } = start(2 * backlog.length);
      const { socket } = await openWithBacklog();
      buffered.track(socket);
      await buffered.acquire(backlog.length);
      assert.deepEqual([socket.destroyed, disconnected.count], [false, 0]);
    });

    it("disconnects a client that has read nothing for a second, not one that has", async () => {
      const { buffered, disconnected } = start(2 * backlog.length);
      const [stalled, reading] = [await openWithBacklog(), await openWithBacklog()];
      const now = performance.now();
      buffered.track(stalled.socket, now - 5000);
      // A new client is not known to have read nothing.
      buffered.track(reading.socket, now);
      const lease = await buffered.acquire(backlog.length / 2);
      assert.deepEqual(
        [stalled.socket.destroyed, reading.socket.destroyed, disconnected.count],
        [true, false, 1],
      );
      assert.equal(buffered.memory.used, 1.5 * backlog.length);
      lease.resize(0);
    });

    it("disconnects the slowest client after a second of waiting", async () => {
      const { buffered, disconnected } = start(backlog.length);
      const connection = await openWithBacklog();
      const startedAt = performance.now();
      buffered.track(connection.socket);
      await buffered.acquire(1);
      assert.ok(performance.now() - startedAt >= 1000);
      assert.deepEqual([connection.socket.destroyed, disconnected.count, buffered.memory.used], [true, 1, 1]);
    });

    it("disconnects no client when one reads its backlog", async () => {
      const { buffered, disconnected } = start(backlog.length);
      const { socket, client } = await openWithBacklog();
      buffered.track(socket);
      const waiting = buffered.acquire(backlog.length);
      client.resume();
      await waiting;
      assert.deepEqual(
        [socket.destroyed, disconnected.count, buffered.memory.used],
        [false, 0, backlog.length],
      );
    });
  });
});
