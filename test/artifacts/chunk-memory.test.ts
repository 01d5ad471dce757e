import assert from "node:assert/strict";
import { freeChunk } from "../../src/artifacts/chunk-memory.ts";

describe("release", () => {
  it("takes the memory of a chunk that has it for itself", () => {
    const chunk = Buffer.alloc(100_000, 1);
    freeChunk(chunk);
    assert.deepEqual([chunk.length, chunk.buffer.byteLength], [0, 0]);
  });

  const whole = Buffer.alloc(10, 1);
  for (const [what, chunk] of [
    ["a view of the beginning", whole.subarray(0, 9)],
    ["a view of the end", whole.subarray(1)],
    ["a chunk of Node's pool", Buffer.from("pooled")],
    ["shared memory", Buffer.from(new SharedArrayBuffer(10))],
  ] as const)
    it(`leaves ${what} alone`, () => {
      const copy = Buffer.from(chunk);
      freeChunk(chunk);
      assert.ok(chunk.equals(copy));
    });

  it("does nothing to a chunk without bytes, such as one released before", () => {
    for (const chunk of [Buffer.alloc(0), Buffer.alloc(10)]) {
      freeChunk(chunk);
      freeChunk(chunk);
      assert.equal(chunk.length, 0);
    }
  });
});
