import assert from "node:assert/strict";
import fc from "fast-check";
import { FrameReader } from "../../../src/grpc/http2/frame-reader.ts";
import { ConnectionError, errorCode } from "../../../src/grpc/http2/protocol.ts";
import { frame } from "./frames.ts";

/** What a reader that gets these chunks reads; each is in a buffer that is overwritten afterwards, as a socket's is. */
function read(chunks: readonly Uint8Array[]): Buffer[] {
  const frames: Buffer[] = [];
  const reader = new FrameReader(({ type, flags, streamId, bytes, start, end }) => {
    frames.push(frame(type, flags, streamId, Buffer.from(bytes.subarray(start, end))));
  });
  const buffer = Buffer.alloc(70_000);
  for (const chunk of chunks) {
    buffer.set(chunk);
    reader.read(buffer, chunk.length);
    buffer.fill(0xff);
  }
  return frames;
}

function cut(bytes: Buffer, ...at: number[]): Buffer[] {
  const ends = [...at.map((one) => one % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

const three = Buffer.concat([
  frame(0, 1, 1, Buffer.from("payload")),
  frame(255, 255, 2 ** 31 - 1),
  frame(1, 0, 3, Buffer.alloc(16_384, 7)),
]);

describe("FrameReader", () => {
  it("reads frames that are whole", () => {
    assert.ok(Buffer.concat(read([three])).equals(three));
  });

  it("reads frames that are cut once, anywhere", () => {
    for (let at = 0; at <= 60; at += 1) assert.ok(Buffer.concat(read(cut(three, at))).equals(three), `${at}`);
    for (let at = three.length - 20; at <= three.length; at += 1)
      assert.ok(Buffer.concat(read(cut(three, at))).equals(three), `${at}`);
  });

  it("reads frames that come byte by byte", () => {
    const chunks = Array.from(three, (byte) => Buffer.of(byte));
    assert.ok(Buffer.concat(read(chunks)).equals(three));
  });

  it("reads a frame once it is complete, not before", () => {
    assert.equal(read([three.subarray(0, 15)]).length, 0);
    assert.equal(read([three.subarray(0, 16)]).length, 1);
    assert.equal(read([three.subarray(0, 25)]).length, 2);
    assert.equal(read([three.subarray(0, -1)]).length, 2);
  });

  it("ignores the reserved bit of a stream id", () => {
    const [only] = read([Buffer.from([0, 0, 0, 0, 0, 0x80, 0, 0, 1])]);
    assert.equal(only?.readUInt32BE(5), 1);
  });

  for (const length of [16_385, 2 ** 24 - 1])
    it(`throws FRAME_SIZE_ERROR for a length of ${length} once it has the header, however it is cut`, () => {
      const header = frame(0, 0, 1, Buffer.alloc(0), length);
      const isSizeError = (error: unknown) =>
        error instanceof ConnectionError && error.code === errorCode.frameSizeError;
      for (let at = 0; at <= 9; at += 1) assert.throws(() => read([three, ...cut(header, at)]), isSizeError);
      assert.equal(read([header.subarray(0, 8)]).length, 0);
    });

  it("reads any frames, cut anywhere", () => {
    const anyFrame = fc
      .tuple(fc.nat(255), fc.nat(255), fc.nat(2 ** 31 - 1), fc.uint8Array({ maxLength: 40 }))
      .map(([type, flags, streamId, payload]) => frame(type, flags, streamId, payload));
    const frames = fc.array(anyFrame, { maxLength: 8 });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 10 }), (sent, cuts) => {
        assert.deepEqual(read(cut(Buffer.concat(sent), ...cuts)), sent);
      }),
    );
  });
});
