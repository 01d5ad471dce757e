import assert from "node:assert/strict";
import { frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import { block, data, frame, headers, ping, settingsAck, windowUpdate, words } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";

const ok = { ":status": "200" };
const status = block(ok);

/** What must be ignored. */
const ignoredFrames: readonly (readonly [title: string, bytes: Buffer])[] = [
  ["an unknown frame of the connection", frame(0xbe, 0xff, 0, Buffer.alloc(100))],
  ["an unknown frame of a stream", frame(0xbe, 0xff, 1, Buffer.alloc(100))],
  ["an unknown frame of an idle stream", frame(0xff, 0, 99)],
  ["PRIORITY of an open stream", frame(frameType.priority, 0, 1, words(3, 0).subarray(0, 5))],
  ["PRIORITY of an idle stream", frame(frameType.priority, 0, 7, Buffer.alloc(5))],
  ["an acknowledgement that was not asked for", settingsAck],
  ["the acknowledgement of a ping that was not sent", ping(words(0, 1), frameFlag.ack)],
  ["the reserved bit of a stream id", frame(frameType.windowUpdate, 0, 2 ** 31 + 1, words(1))],
  ["the reserved bit of a window", windowUpdate(1, 2 ** 31 + 1)],
  ["unknown flags of SETTINGS", frame(frameType.settings, 0xfe, 0)],
  ["unknown flags of PING", frame(frameType.ping, 0xfe, 0, Buffer.alloc(8))],
  ["unknown flags of WINDOW_UPDATE", frame(frameType.windowUpdate, 0xff, 0, words(1))],
];

/** A response to stream 1 in unusual frames; its body is `body`. */
const unusualResponses: readonly (readonly [title: string, bytes: Buffer])[] = [
  [
    "padded HEADERS with priority",
    Buffer.concat([
      frame(
        frameType.headers,
        0x2c,
        1,
        Buffer.concat([Buffer.of(3), Buffer.alloc(5), status, Buffer.alloc(3)]),
      ),
      data(1, "body", "ends"),
    ]),
  ],
  [
    "padded DATA, some of it only padding",
    Buffer.concat([
      headers(1, ok),
      frame(frameType.data, frameFlag.padded, 1, Buffer.of(2, 0, 0)),
      frame(frameType.data, frameFlag.padded, 1, Buffer.from("\x03bo\0\0\0", "latin1")),
      frame(frameType.data, 9, 1, Buffer.from("\x00dy", "latin1")),
    ]),
  ],
  [
    "unknown flags of HEADERS and DATA, that of priority included",
    Buffer.concat([
      frame(frameType.headers, 0xd6, 1, status),
      frame(frameType.data, 0xf7, 1, Buffer.from("body")),
    ]),
  ],
  [
    "a block in three frames, with the end of the stream in the first",
    Buffer.concat([
      headers(1, ok),
      data(1, "body"),
      frame(frameType.headers, frameFlag.endStream, 1),
      frame(frameType.continuation, 0xfb, 1, block({ a: "b" })),
      frame(frameType.continuation, frameFlag.endHeaders, 1),
    ]),
  ],
  [
    "padding in a block of two frames",
    Buffer.concat([
      frame(
        frameType.headers,
        frameFlag.padded,
        1,
        Buffer.concat([Buffer.of(1), status.subarray(0, 5), Buffer.of(0)]),
      ),
      frame(frameType.continuation, frameFlag.endHeaders, 1, status.subarray(5)),
      data(1, "body", "ends"),
    ]),
  ],
  [
    "a frame of 16 KiB",
    Buffer.concat([headers(1, ok), frame(0xbe, 0, 1, Buffer.alloc(16_384)), data(1, "body", "ends")]),
  ],
];

/** The same frames for another stream. */
function forStream(bytes: Buffer, streamId: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = 0; at < copy.length; at += 9 + copy.readUIntBE(at, 3)) copy.writeUInt32BE(streamId, at + 5);
  return copy;
}

describe("Connection: unusual frames", () => {
  for (const [title, bytes] of ignoredFrames)
    it(`ignores ${title}`, async () => {
      await using peers = await ConnectionPeers.start();
      for (const exchange of await peers.openAll(2)) {
        peers.send(bytes);
        await peers.assertWorks(exchange);
      }
    });

  for (const [title, bytes] of unusualResponses) {
    it(`reads ${title}`, async () => {
      await using peers = await ConnectionPeers.start();
      const [exchange] = await peers.openAll(1);
      peers.send(bytes);
      assert.equal((await exchange!.end).kind, "ended");
      assert.equal(Buffer.concat(exchange!.data).toString(), "body");
    });
    it(`reads ${title}, cut anywhere`, async () => {
      await using peers = await ConnectionPeers.start();
      for (const size of [1, 2, 7, 9, 10, 100]) {
        const [exchange] = await peers.openAll(1);
        const renumbered = forStream(bytes, exchange!.stream.id);
        for (let at = 0; at < bytes.length; at += size) peers.deliver(renumbered.subarray(at, at + size));
        assert.equal((await exchange!.end).kind, "ended");
        assert.equal(Buffer.concat(exchange!.data).toString(), "body");
      }
    });
  }
});
