import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createIntegrityCheck } from "../../src/artifacts/integrity.ts";

const bytes = Buffer.from("0123456789abcdef".repeat(1000));
const sha256 = createHash("sha256").update(bytes).digest("hex");

/** `data` in chunks of this many bytes. */
function inChunks(data: Buffer, length: number): Buffer[] {
  const count = Math.ceil(data.length / length);
  return Array.from({ length: count }, (_, i) => data.subarray(i * length, (i + 1) * length));
}

/** Sends chunks through a check; what came out, and the error if there was one. */
async function pass(chunks: Buffer[], expectation: Parameters<typeof createIntegrityCheck>[0]) {
  const out: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      out.push(chunk);
      done();
    },
  });
  const error = await pipeline(Readable.from(chunks), createIntegrityCheck(expectation), sink).then(
    () => undefined,
    (error: unknown) => error,
  );
  return { out: Buffer.concat(out), message: error instanceof Error ? error.message : undefined };
}

describe("createIntegrityCheck", () => {
  for (const length of [1, 7, 4096, bytes.length])
    it(`passes the expected bytes on, in chunks of ${length}`, async () => {
      const { out, message } = await pass(inChunks(bytes, length), { length: bytes.length, sha256 });
      assert.equal(message, undefined);
      assert.ok(out.equals(bytes));
    });

  it("holds the last bytes back behind an empty chunk", async () => {
    const wrong = Buffer.concat([bytes.subarray(1), Buffer.from("x")]);
    const { out, message } = await pass([wrong, Buffer.alloc(0)], { length: bytes.length, sha256 });
    assert.match(message ?? "", /SHA-256/);
    assert.equal(out.length, 0);
  });

  it("passes a part on without a digest", async () => {
    const { out, message } = await pass([bytes.subarray(0, 5)], { length: 5, sha256: undefined });
    assert.deepEqual([out.toString(), message], ["01234", undefined]);
  });

  it("passes an empty file on", async () => {
    const empty = createHash("sha256").digest("hex");
    assert.deepEqual(await pass([], { length: 0, sha256: empty }), {
      out: Buffer.alloc(0),
      message: undefined,
    });
    const { message } = await pass([], { length: 0, sha256 });
    assert.match(message!, /another SHA-256/);
  });

  const wrong = Buffer.from(bytes);
  wrong[0]! ^= 1;
  for (const [what, sent, words] of [
    ["too few bytes", bytes.subarray(0, -1), /sent 15999 of 16000 bytes/],
    ["no bytes at all", Buffer.alloc(0), /sent 0 of 16000 bytes/],
    ["too many bytes", Buffer.concat([bytes, Buffer.from("x")]), /more than the 16000 bytes promised/],
    ["a wrong first byte", wrong, /another SHA-256/],
  ] as const)
    for (const length of [7, 4096, 100_000])
      it(`fails on ${what} in chunks of ${length}, before a client could count a complete file`, async () => {
        const { out, message } = await pass(inChunks(sent, length), { length: bytes.length, sha256 });
        assert.match(message!, words);
        assert.ok(out.length < bytes.length);
      });

  it("fails on a wrong length even where nothing vouches for the bytes", async () => {
    const { message } = await pass([bytes], { length: bytes.length + 1, sha256: undefined });
    assert.match(message!, /sent 16000 of 16001 bytes/);
  });

  it("holds no more than one chunk back", () => {
    const check = createIntegrityCheck({ length: bytes.length, sha256 });
    const [first, second, third] = inChunks(bytes, 4000);
    check.write(first);
    assert.equal(check.read(), null);
    check.write(second);
    check.write(third);
    assert.equal((check.read() as Buffer).length, 8000);
    check.destroy();
  });
});
