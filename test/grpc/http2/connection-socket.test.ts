import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, OnReadOpts, Socket } from "node:net";
import { createSecureContext, createServer as createTlsServer } from "node:tls";
import { connectSocket, resolvedAddress } from "../../../src/grpc/address.ts";
import type { ConnectionOptions } from "../../../src/grpc/http2/client-connection.ts";
import { Connection } from "../../../src/grpc/http2/connection.ts";
import { errorCode, frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import { createAuthority } from "../../support/certificates.ts";
import { data, headers, response, settings, windowUpdate } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";

const { cancel, noError, protocolError } = errorCode;
const ok = { ":status": "200" };
const mib = 1024 * 1024;
const authority = await createAuthority("ours");
const identity = await authority.issue("server.test");

/** Bytes after which the socket is closed. */
const cuts: readonly (readonly [title: string, bytes: Buffer])[] = [
  ["without a byte", Buffer.alloc(0)],
  ["within the header of a frame", response(1).subarray(0, 5)],
  ["within a header block", headers(1, ok).subarray(0, 15)],
  ["within DATA", Buffer.concat([headers(1, ok), data(1, "x".repeat(100)).subarray(0, 50)])],
  ["before trailers", response(1).subarray(0, -20)],
];

function connectTls(port: number, onread: OnReadOpts | undefined): Socket {
  const url = new URL(`https://server.test:${port}`);
  const context = createSecureContext({ ca: authority.cert });
  return connectSocket(
    resolvedAddress(url, "127.0.0.1", () => context),
    onread,
  );
}

/** Opens a stream on a connection that cannot be established, and returns why both end. */
async function reasonOfEnd(connectTo: ConnectionOptions["connect"]): Promise<Error | undefined> {
  const reasons: (Error | undefined)[] = [];
  const closed = Promise.withResolvers<undefined>();
  const ignore = () => undefined;
  const connection = new Connection(
    {
      connect: connectTo,
      headers: {},
      streamWindowBytes: 65_535,
      windowBytes: mib,
      maxHeaderListBytes: 1000,
    },
    {
      onSettings: ignore,
      onResponse: ignore,
      onStreamClosed: ignore,
      onGoaway: () => true,
      onClosing: (reason, isBroken) => void reasons.push(isBroken ? undefined : reason),
      onClosed: () => closed.resolve(undefined),
    },
  );
  connection.open(
    { path: "/", headers: {}, body: Buffer.alloc(0), hasNoSideEffects: true },
    {
      onHeaders: ignore,
      onData: ignore,
      onTrailers: ignore,
      onClosed: ({ kind, cause }) => void reasons.push(kind === "session-lost" ? cause : undefined),
    },
  );
  await closed.promise;
  assert.equal(reasons.length, 2);
  assert.equal(reasons[0], reasons[1]);
  return reasons[0];
}

describe("Connection: a socket that is closed", () => {
  for (const [title, bytes] of cuts)
    for (const way of ["end", "destroy", "resetAndDestroy"] as const)
      it(`ends streams as session-lost when the server's socket does ${way} ${title}`, async () => {
        await using peers = await ConnectionPeers.start();
        const exchanges = await peers.openAll(2);
        peers.socket.write(bytes, () => peers.socket[way]());
        for (const { end } of exchanges) {
          const { kind, code } = await end;
          assert.deepEqual([kind, code], ["session-lost", cancel]);
        }
        await peers.whenClosed;
        for (const { ends } of exchanges) assert.equal(ends.length, 1);
        assert.equal(peers.connection.size, 0);
        assert.equal(peers.events.at(-1), "closed");
      });

  it("ends requests that wait for the settings as session-lost", async () => {
    await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
    const one = peers.open();
    peers.socket.end();
    assert.equal((await one.end).kind, "session-lost");
    await peers.whenClosed;
  });

  it("reads a response that comes with the end of the connection", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, other] = await peers.openAll(2);
    peers.socket.end(response(1));
    assert.equal((await one!.end).kind, "ended");
    assert.equal((await other!.end).kind, "session-lost");
  });

  it("ends requests with the reason when it cannot connect", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const reason = await reasonOfEnd((onread) => connect({ port, host: "127.0.0.1", onread: onread! }));
    assert.equal((reason as NodeJS.ErrnoException).code, "ECONNREFUSED");
  });

  it("closes at last when it cannot write GOAWAY because the server does not read", async () => {
    await using peers = await ConnectionPeers.start();
    peers.socket.pause();
    for (let count = 0; count < 100; count += 1) peers.open({ headers: { long: "x".repeat(100_000) } });
    peers.deliver(data(0, "x"));
    assert.equal(peers.connection.state, "closed");
    await peers.whenClosed;
  });
});

describe("Connection with TLS", () => {
  function startTls(first?: Buffer): Promise<ConnectionPeers> {
    let port = 0;
    return ConnectionPeers.start({
      ...(first === undefined ? {} : { first }),
      tls: { ...identity, ALPNProtocols: ["h2"] },
      onListening: (given) => (port = given),
      connect: (onread) => connectTls(port, onread),
    });
  }

  it("sends and receives large bodies", async () => {
    await using peers = await startTls(settings([4, 2 ** 31 - 1]));
    peers.send(windowUpdate(0, 2 ** 30));
    await peers.sync();
    const one = peers.open({ body: Buffer.alloc(5 * mib, 1) });
    const other = peers.open();
    let size = 0;
    for (let isLast = false; !isLast;) {
      const { payload, flags } = await peers.next(frameType.data, 1);
      size += payload.length;
      isLast = (flags & frameFlag.endStream) !== 0;
    }
    assert.equal(size, 5 * mib);
    peers.send(headers(1, ok));
    for (let sent = 0; sent < 5 * mib; sent += 16_384) {
      peers.send(data(1, Buffer.alloc(16_384, 2)));
      if (sent % 32_768 === 0 && sent > 0) await peers.next(frameType.windowUpdate, 1);
    }
    peers.send(data(1, "", "ends"));
    assert.equal((await one.end).kind, "ended");
    assert.equal(Buffer.concat(one.data).length, 5 * mib);
    await peers.assertWorks(other);
  });

  it("sends GOAWAY before it closes", async () => {
    for (const code of [noError, protocolError]) {
      await using peers = await startTls();
      if (code === noError) peers.connection.drain();
      else peers.send(data(0, "x"));
      assert.equal(await peers.goawayCode(), code);
      await peers.whenClosed;
    }
  });

  it("closes a connection whose server does not choose HTTP/2", async () => {
    const server = createTlsServer(identity).on("tlsClientError", () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const reason = await reasonOfEnd((onread) => connectTls(port, onread));
    assert.equal(reason?.message, "the server does not offer HTTP/2 by ALPN");
    server.close();
  });
});
