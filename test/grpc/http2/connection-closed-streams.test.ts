import assert from "node:assert/strict";
import { errorCode, frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import { block, data, frame, headers, reset, response, windowUpdate, words } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";
import type { Exchange } from "./peers.ts";

const { streamClosed, cancel, refusedStream } = errorCode;

const ok = { ":status": "200" };

/** Frames that a server must not send on a stream that it has ended. */
const lateFrames = {
  HEADERS: headers(1, ok),
  trailers: headers(1, { a: "b" }, "ends"),
  DATA: data(1, "x"),
  "empty DATA": data(1, "", "ends"),
  "a continued block": Buffer.concat([
    frame(frameType.headers, 0, 1, block(ok)),
    frame(frameType.continuation, frameFlag.endHeaders, 1),
  ]),
};

/** Frames that may arrive on any closed stream. */
const harmlessFrames = {
  WINDOW_UPDATE: windowUpdate(1, 1),
  "WINDOW_UPDATE of 0": windowUpdate(1, 0),
  "WINDOW_UPDATE over the largest window": windowUpdate(1, 2 ** 31 - 1),
  RST_STREAM: reset(1, cancel),
  PRIORITY: frame(frameType.priority, 0, 1, words(0, 0).subarray(0, 5)),
};

/** Ways in which the server ends stream 1. */
const serverEnds: Record<string, Buffer> = {
  END_STREAM: response(1),
  "END_STREAM of HEADERS": headers(1, ok, "ends"),
  RST_STREAM: reset(1, cancel),
  REFUSED_STREAM: reset(1, refusedStream),
};

/** Ways in which the client ends stream 1. */
const clientEnds: Record<string, (peers: ConnectionPeers, exchange: Exchange) => void> = {
  "its cancellation": (_peers, { stream }) => stream.cancel(),
  "its end by the session": (_peers, { stream }) => stream.end("session-lost", undefined),
  "its malformed response": (peers) => peers.send(headers(1, { ":status": "x" })),
};

describe("Connection: closed streams", () => {
  for (const [end, endBytes] of Object.entries(serverEnds)) {
    for (const [title, bytes] of Object.entries(lateFrames))
      it(`breaks with STREAM_CLOSED by ${title} after ${end}`, async () => {
        await using peers = await ConnectionPeers.start();
        const [one, ...others] = await peers.openAll(3);
        peers.send(endBytes);
        await one!.end;
        peers.send(bytes);
        await peers.assertBroken(streamClosed, others);
        assert.equal(one!.ends.length, 1);
      });
    it(`ignores ${Object.keys(harmlessFrames).join(", ")} after ${end}`, async () => {
      await using peers = await ConnectionPeers.start();
      const [one, other] = await peers.openAll(2);
      peers.send(endBytes, ...Object.values(harmlessFrames));
      await one!.end;
      await peers.assertWorks(other!);
      assert.equal(one!.ends.length, 1);
    });
  }

  for (const [end, act] of Object.entries(clientEnds))
    it(`ignores every frame of a stream after ${end}`, async () => {
      await using peers = await ConnectionPeers.start();
      const [one, other] = await peers.openAll(2);
      act(peers, one!);
      await peers.sync();
      assert.equal(peers.connection.size, 1);
      const received = [one!.headers.length, one!.data.length, one!.ends.length];
      peers.send(...Object.values(lateFrames), ...Object.values(harmlessFrames));
      await peers.assertWorks(other!);
      assert.deepEqual([one!.headers.length, one!.data.length, one!.ends.length], received);
      assert.equal(peers.frames.filter(({ type }) => type === frameType.rstStream).length, 1);
    });

  it("ignores frames of a stream above the last id of GOAWAY", async () => {
    await using peers = await ConnectionPeers.start();
    const [below, above] = await peers.openAll(2);
    peers.send(frame(frameType.goaway, 0, 0, words(1, 0)), response(3));
    assert.deepEqual(await above!.end, { kind: "refused", code: refusedStream });
    await peers.assertWorks(below!);
    assert.deepEqual(above!.headers, []);
  });

  it("counts DATA of cancelled streams against the window of the connection only", async () => {
    await using peers = await ConnectionPeers.start({ windowBytes: 65_536 });
    const [one, other] = await peers.openAll(2);
    one!.stream.cancel();
    await peers.resetCode(1);
    const chunk = Buffer.alloc(16_384);
    // More than the stream's window.
    for (let sent = 0; sent < 160_000; sent += 2 * chunk.length) {
      peers.send(data(1, chunk), data(1, chunk));
      const { streamId, payload } = await peers.next(frameType.windowUpdate, 0).then(async (update) =>
        // That of the preface.
        update.payload.readUInt32BE(0) === 1 ? peers.next(frameType.windowUpdate, 0) : update,
      );
      assert.deepEqual([streamId, payload.readUInt32BE(0)], [0, 32_768]);
    }
    await peers.assertWorks(other!);
  });

  it("knows each of 1,000 streams that it has cancelled", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(1001);
    const other = exchanges.pop()!;
    for (const { stream } of exchanges) stream.cancel();
    for (const { stream } of exchanges.slice(0, 500)) peers.send(data(stream.id, "x"));
    await peers.assertWorks(other);
  });

  it("breaks by a frame of a stream that the server ended, although later ones were cancelled", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(100);
    const [one, ...others] = exchanges;
    peers.send(response(1));
    await one!.end;
    for (const { stream } of others.slice(0, 50)) stream.cancel();
    peers.send(data(1, "x"));
    await peers.assertBroken(streamClosed, others.slice(50));
  });
});
