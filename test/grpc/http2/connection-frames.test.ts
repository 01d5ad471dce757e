import assert from "node:assert/strict";
import { errorCode, frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import {
  block,
  blockFrames,
  data,
  frame,
  goaway,
  headers,
  ping,
  reset,
  response,
  settings,
  settingsAck,
  windowUpdate,
  words,
} from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";

const { protocolError, frameSizeError, flowControlError } = errorCode;
const ok = { ":status": "200" };
const status = block(ok);

/** Frames of a wrong length, and frames with a stream id that they must not have. */
const brokenFrames: readonly (readonly [title: string, bytes: Buffer, code: number])[] = [
  ["a frame over 16 KiB", data(1, Buffer.alloc(16_385)), frameSizeError],
  ["the header of such a frame", frame(frameType.data, 0, 1, Buffer.alloc(0), 16_385), frameSizeError],
  ["an unknown frame over 16 KiB", frame(0xbe, 0, 0, Buffer.alloc(16_385)), frameSizeError],
  ["DATA of stream 0", data(0, "x"), protocolError],
  ["DATA of an idle stream", data(5, "x"), protocolError],
  ["DATA of a stream of the server", data(2, "x"), protocolError],
  ["HEADERS of stream 0", headers(0, ok), protocolError],
  ["HEADERS of an idle stream", headers(5, ok), protocolError],
  [
    "HEADERS of an idle stream that are to be continued",
    frame(frameType.headers, 0, 5, status),
    protocolError,
  ],
  ["HEADERS of a stream of the server", headers(2, ok), protocolError],
  ["HEADERS with the largest stream id", headers(2 ** 31 - 1, ok), protocolError],
  ["PRIORITY of 4 bytes", frame(frameType.priority, 0, 1, Buffer.alloc(4)), frameSizeError],
  ["PRIORITY of 6 bytes", frame(frameType.priority, 0, 1, Buffer.alloc(6)), frameSizeError],
  ["PRIORITY of stream 0", frame(frameType.priority, 0, 0, Buffer.alloc(5)), protocolError],
  ["RST_STREAM of 3 bytes", frame(frameType.rstStream, 0, 1, Buffer.alloc(3)), frameSizeError],
  ["RST_STREAM of 5 bytes", frame(frameType.rstStream, 0, 1, Buffer.alloc(5)), frameSizeError],
  ["RST_STREAM of stream 0", reset(0, 0), protocolError],
  ["RST_STREAM of an idle stream", reset(5, 0), protocolError],
  ["SETTINGS of 5 bytes", frame(frameType.settings, 0, 0, Buffer.alloc(5)), frameSizeError],
  [
    "an acknowledgement with settings",
    frame(frameType.settings, frameFlag.ack, 0, words(0, 0, 0)),
    frameSizeError,
  ],
  ["SETTINGS of a stream", frame(frameType.settings, 0, 1), protocolError],
  [
    "PUSH_PROMISE",
    frame(frameType.pushPromise, frameFlag.endHeaders, 1, Buffer.concat([words(2), status])),
    protocolError,
  ],
  [
    "PUSH_PROMISE of stream 0",
    frame(frameType.pushPromise, frameFlag.endHeaders, 0, words(2)),
    protocolError,
  ],
  ["PING of 7 bytes", ping(Buffer.alloc(7)), frameSizeError],
  ["PING of 9 bytes", ping(Buffer.alloc(9)), frameSizeError],
  ["PING of a stream", frame(frameType.ping, 0, 1, Buffer.alloc(8)), protocolError],
  ["GOAWAY of 7 bytes", frame(frameType.goaway, 0, 0, Buffer.alloc(7)), frameSizeError],
  ["GOAWAY of a stream", frame(frameType.goaway, 0, 1, Buffer.alloc(8)), protocolError],
  ["WINDOW_UPDATE of 3 bytes", frame(frameType.windowUpdate, 0, 0, Buffer.alloc(3)), frameSizeError],
  ["WINDOW_UPDATE of 5 bytes", frame(frameType.windowUpdate, 0, 1, Buffer.alloc(5)), frameSizeError],
  ["WINDOW_UPDATE of an idle stream", windowUpdate(5, 1), protocolError],
  ["WINDOW_UPDATE of a stream of the server", windowUpdate(2, 1), protocolError],
  ["WINDOW_UPDATE of 0 for the connection", windowUpdate(0, 0), protocolError],
  ["WINDOW_UPDATE of 0 with the reserved bit", windowUpdate(0, 2 ** 31), protocolError],
  ["a window of the connection over 2^31-1", windowUpdate(0, 2 ** 31 - 1), flowControlError],
  [
    "DATA with more padding than bytes",
    frame(frameType.data, frameFlag.padded, 1, Buffer.of(2, 0)),
    protocolError,
  ],
  ["HEADERS with more padding than bytes", frame(frameType.headers, 12, 1, Buffer.of(2, 0)), protocolError],
  ["DATA without its padding length", frame(frameType.data, frameFlag.padded, 1), frameSizeError],
  ["HEADERS without their padding length", frame(frameType.headers, 12, 1), frameSizeError],
  [
    "HEADERS without all of their priority",
    frame(frameType.headers, 0x24, 1, Buffer.alloc(4)),
    frameSizeError,
  ],
  [
    "HEADERS whose padding is in their priority",
    frame(frameType.headers, 0x2c, 1, Buffer.of(1, 0, 0, 0, 0, 0)),
    protocolError,
  ],
  [
    "CONTINUATION without HEADERS",
    frame(frameType.continuation, frameFlag.endHeaders, 1, status),
    protocolError,
  ],
  ["CONTINUATION of stream 0", frame(frameType.continuation, frameFlag.endHeaders, 0), protocolError],
  [
    "CONTINUATION after a complete block",
    Buffer.concat([headers(1, ok), frame(frameType.continuation, 4, 1)]),
    protocolError,
  ],
];

/** Frames that must not be between HEADERS without END_HEADERS and CONTINUATION. */
const interruptions: readonly (readonly [title: string, bytes: Buffer])[] = [
  ["CONTINUATION of another stream", frame(frameType.continuation, frameFlag.endHeaders, 3, status)],
  ["HEADERS of the same stream", headers(1, ok)],
  ["HEADERS of another stream", headers(3, ok)],
  ["DATA", data(3, "x")],
  ["SETTINGS", settings()],
  ["an acknowledgement", settingsAck],
  ["PING", ping()],
  ["WINDOW_UPDATE", windowUpdate(0, 1)],
  ["RST_STREAM", reset(1, 8)],
  ["PRIORITY", frame(frameType.priority, 0, 1, Buffer.alloc(5))],
  ["GOAWAY", goaway(3, 0)],
  ["an unknown frame", frame(0xbe, 0, 0)],
];

describe("Connection: frames", () => {
  for (const [title, bytes, code] of brokenFrames)
    it(`breaks with code ${code} by ${title}`, async () => {
      await using peers = await ConnectionPeers.start();
      const exchanges = await peers.openAll(2);
      peers.send(bytes);
      await peers.assertBroken(code, exchanges);
    });

  for (const [title, bytes] of interruptions)
    it(`breaks with PROTOCOL_ERROR by ${title} within a header block`, async () => {
      await using peers = await ConnectionPeers.start();
      const exchanges = await peers.openAll(2);
      peers.send(frame(frameType.headers, 0, 1, status), bytes);
      await peers.assertBroken(protocolError, exchanges);
    });

  it("breaks only once, and ignores what follows", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(1);
    peers.send(data(0, "x"), response(1), ping(Buffer.alloc(7)), goaway(0, 0));
    await peers.assertBroken(protocolError, exchanges);
    assert.deepEqual(exchanges[0]!.headers, []);
    assert.deepEqual(peers.events, [
      "settings Infinity",
      "broken a frame for the idle stream 0",
      "stream 1 session-broken 1",
      "closed",
    ]);
  });

  it("reports that the only stream was open, and no other", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(1);
    peers.send(blockFrames(1, Buffer.of(0x80)));
    await peers.assertBroken(errorCode.compressionError, exchanges);
  });
});
