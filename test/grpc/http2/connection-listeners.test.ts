import assert from "node:assert/strict";
import { frameType } from "../../../src/grpc/http2/protocol.ts";
import { settingName } from "../../../src/grpc/http2/settings.ts";
import { response, settings } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";
import type { Exchange } from "./peers.ts";

describe("Connection: calls of a listener", () => {
  /** What a listener does, to itself and to another stream, within each of its calls. */
  const acts: Record<string, (peers: ConnectionPeers, own: Exchange, other: Exchange) => void> = {
    "cancels its stream": (_peers, own) => own.stream.cancel(),
    "cancels another stream": (_peers, _own, other) => other.stream.cancel(),
    "opens a stream": (peers) => void peers.open(),
    "drains the connection": ({ connection }) => connection.drain(),
    "closes the connection": ({ connection }) => connection.close(),
    "pauses and resumes": (_peers, own) => {
      own.stream.pause();
      own.stream.resume();
    },
  };
  for (const [title, act] of Object.entries(acts))
    for (const event of ["onHeaders", "onData", "onTrailers", "onClosed"] as const)
      it(`may be one that ${title} within ${event}`, async () => {
        await using peers = await ConnectionPeers.start({ streamWindowBytes: 4 });
        const done = Promise.withResolvers<undefined>();
        const own: Exchange = peers.open(
          {},
          {
            [event]() {
              act(peers, own, other);
              done.resolve(undefined);
            },
          },
        );
        const other = peers.open();
        await peers.next(frameType.data, 3);
        peers.deliver(Buffer.concat([response(1), response(3)]));
        await done.promise;
        const isClosed = title === "closes the connection";
        assert.equal(peers.connection.state === "closed", isClosed || title === "drains the connection");
        const isCancelled = title === "cancels its stream" && event !== "onClosed";
        assert.equal(own.ends.length, isCancelled ? 0 : 1);
        assert.equal(other.ends.length, title === "cancels another stream" ? 0 : 1);
        for (const id of [1, 3])
          assert.equal(peers.events.filter((one) => one.startsWith(`stream ${id} `)).length, 1);
        const isOpen = title === "opens a stream";
        assert.equal(peers.connection.size, isOpen ? 1 : 0);
        if (isOpen) await peers.next(frameType.data, 5);
      });

  for (const [title, act] of [
    ["closes the connection", ({ connection }: ConnectionPeers) => connection.close()],
    ["drains the connection", ({ connection }: ConnectionPeers) => connection.drain()],
    ["ends those that wait", ({ connection }: ConnectionPeers) => connection.endWaiting(undefined)],
  ] as const)
    it(`may be one of a stream that the settings do not allow and that ${title}`, async () => {
      await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
      const exchanges = [peers.open({}, { onClosed: () => act(peers) }), peers.open(), peers.open()];
      peers.send(settings([settingName.maxConcurrentStreams, 0]));
      for (const { end } of exchanges) await end;
      for (const { ends } of exchanges) assert.equal(ends.length, 1);
      assert.equal(peers.connection.size, 0);
    });

  it("may close the connection while its first settings are received", async () => {
    await using peers = await ConnectionPeers.start({
      first: Buffer.alloc(0),
      on: { onStreamClosed: () => peers.connection.close() },
    });
    const exchanges = [peers.open(), peers.open(), peers.open()];
    peers.send(settings([settingName.maxConcurrentStreams, 1]));
    for (const { end } of exchanges) await end;
    for (const { ends } of exchanges) assert.equal(ends.length, 1);
    assert.equal(peers.connection.size, 0);
  });
});
