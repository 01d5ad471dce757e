import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { FrameReader, frameOf } from "../../src/orchestrator/grpc-frames.ts";

const texts = ["", "a", "a longer message", "", "b"];
const bytes = Buffer.concat(texts.map((text) => frameOf(Buffer.from(text))));

describe("frameOf", () => {
  it("puts the length before the message", () => {
    assert.deepEqual([...frameOf(Buffer.from("ab"))], [0, 0, 0, 0, 2, 97, 98]);
    assert.deepEqual([...frameOf(Buffer.alloc(0x010203)).subarray(0, 5)], [0, 0, 1, 2, 3]);
  });
});

describe("FrameReader", () => {
  for (let size = 1; size <= bytes.length; size++)
    it(`gives every message once, in order, from chunks of ${size} bytes`, () => {
      const reader = new FrameReader(100);
      const taken: string[] = [];
      for (let start = 0; start < bytes.length; start += size) {
        reader.push(bytes.subarray(start, start + size));
        for (let message = reader.take(); message !== undefined; message = reader.take())
          taken.push(Buffer.from(message).toString());
      }
      assert.deepEqual(taken, texts);
      assert.equal(reader.hasRest, false);
    });

  it("takes messages that came in many chunks later", () => {
    const reader = new FrameReader(100);
    for (const byte of bytes) reader.push(Buffer.of(byte));
    assert.deepEqual(
      texts.map(() => Buffer.from(reader.take() ?? "none").toString()),
      texts,
    );
  });

  it("says what is left of a message", () => {
    const reader = new FrameReader(100);
    reader.push(bytes.subarray(0, 6));
    assert.equal(reader.take()?.length, 0);
    assert.equal(reader.take(), undefined);
    assert.equal(reader.hasRest, true);
  });

  it("takes a message of exactly the limit, and none over it, before its bytes are there", () => {
    const reader = new FrameReader(3);
    reader.push(Buffer.from(frameOf(Buffer.from("abc"))));
    assert.equal(reader.take()?.length, 3);
    reader.push(Buffer.from([0, 0, 0, 0, 4]));
    assert.throws(() => reader.take(), { code: Code.ResourceExhausted, rawMessage: /size 4 .* 3 bytes/ });
  });

  it("refuses a compressed message", () => {
    const reader = new FrameReader(3);
    reader.push(Buffer.from([1, 0, 0, 0, 0]));
    assert.throws(() => reader.take(), { code: Code.Internal });
  });
});
