import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Code } from "@connectrpc/connect";
import { createCheckedWriter, parseSha256 } from "../../src/artifacts/integrity.ts";
import { HttpError } from "../../src/errors/http-error.ts";

const bytes = Buffer.from("0123456789abcdef".repeat(1000));
const sha256 = createHash("sha256").update(bytes).digest("hex");

/** `data` in chunks of this many bytes. */
function inChunks(data: Buffer, length: number): Buffer[] {
  const count = Math.ceil(data.length / length);
  return Array.from({ length: count }, (_, i) => data.subarray(i * length, (i + 1) * length));
}

type Expectation = Parameters<typeof createCheckedWriter>[1];

/** Sends chunks through a writer; returns the output, the calls of `begin`, whether it ended, and the error. */
async function pass(chunks: Buffer[], expectation: Expectation) {
  const received: Buffer[] = [];
  let begins = 0;
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      // The writer frees the chunk.
      received.push(Buffer.from(chunk));
      done();
    },
  });
  const writer = createCheckedWriter(out, expectation, () => (begins += 1));
  const message = await pipeline(Readable.from(chunks), writer).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  const outcome = { out: Buffer.concat(received), message, begins, hasEnded: out.writableEnded };
  out.destroy();
  return outcome;
}

describe("parseSha256", () => {
  it("returns a SHA-256 in lower case unchanged", () => assert.equal(parseSha256(sha256), sha256));
  it("returns a SHA-256 in upper case in lower case", () =>
    assert.equal(parseSha256(sha256.toUpperCase()), sha256));
  it("returns undefined for an empty text", () => assert.equal(parseSha256(""), undefined));

  for (const text of [sha256.slice(1), `${sha256}0`, `${sha256}\n`, ` ${sha256}`, "x".repeat(64), "0"])
    it(`throws Internal for ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseSha256(text), isInternal);
    });

  function isInternal(error: unknown): boolean {
    return error instanceof HttpError && error.code === Code.Internal && error.cause instanceof Error;
  }
});

describe("createCheckedWriter", () => {
  for (const length of [1, 7, 4096, bytes.length])
    it(`writes the expected bytes, in chunks of ${length}`, async () => {
      const { out, ...rest } = await pass(inChunks(bytes, length), { length: bytes.length, sha256 });
      assert.deepEqual(rest, { message: undefined, begins: 1, hasEnded: true });
      assert.ok(out.equals(bytes));
    });

  it("holds the last bytes back when an empty chunk follows", async () => {
    const wrong = Buffer.concat([bytes.subarray(1), Buffer.from("x")]);
    const { out, message, begins } = await pass([wrong, Buffer.alloc(0)], { length: bytes.length, sha256 });
    assert.match(message ?? "", /SHA-256/);
    assert.deepEqual([out.length, begins], [0, 0]);
  });

  it("writes a part without a SHA-256", async () => {
    const { out, message } = await pass([bytes.subarray(0, 5)], { length: 5, sha256: undefined });
    assert.deepEqual([out.toString(), message], ["01234", undefined]);
  });

  it("writes an empty file", async () => {
    const empty = createHash("sha256").digest("hex");
    assert.deepEqual(await pass([], { length: 0, sha256: empty }), {
      out: Buffer.alloc(0),
      message: undefined,
      begins: 1,
      hasEnded: true,
    });
    const { message } = await pass([], { length: 0, sha256 });
    assert.match(message!, /whose SHA-256 is not/);
  });

  const wrong = Buffer.from(bytes);
  wrong[0]! ^= 1;
  for (const [what, sent, words] of [
    ["too few bytes", bytes.subarray(0, -1), /sent 15999 of 16000 bytes/],
    ["no bytes at all", Buffer.alloc(0), /sent 0 of 16000 bytes/],
    ["too many bytes", Buffer.concat([bytes, Buffer.from("x")]), /more than the expected 16000 bytes/],
    ["a wrong first byte", wrong, /whose SHA-256 is not/],
  ] as const)
    for (const length of [7, 4096, 100_000])
      it(`fails on ${what} in chunks of ${length}, before a client could count a complete file`, async () => {
        const { out, message, hasEnded } = await pass(inChunks(sent, length), {
          length: bytes.length,
          sha256,
        });
        assert.match(message!, words);
        assert.ok(out.length < bytes.length);
        assert.ok(!hasEnded);
      });

  it("fails on a wrong length without a SHA-256, too", async () => {
    const { message } = await pass([bytes], { length: bytes.length + 1, sha256: undefined });
    assert.match(message!, /sent 16000 of 16001 bytes/);
  });

  it("fails before it begins when a single chunk is wrong", async () => {
    assert.equal((await pass([wrong], { length: bytes.length, sha256 })).begins, 0);
  });

  const anything = { length: 1_000_000, sha256: undefined };

  it("holds one chunk back, waits until the one before it is written, and then frees that", () => {
    const taken: (() => void)[] = [];
    const sent: Buffer[] = [];
    const out = new Writable({
      write(chunk: Buffer, _encoding, done) {
        sent.push(chunk);
        taken.push(done);
      },
    });
    const writer = createCheckedWriter(out, anything, () => undefined);
    writer.on("error", () => undefined);
    const [first, second, third] = [1, 2, 3].map((fill) => Buffer.alloc(100_000, fill));
    assert.equal(writer.write(first), true);
    assert.deepEqual(sent, []);
    assert.equal(writer.write(second), false);
    assert.deepEqual(sent, [first]);
    assert.equal(writer.write(third), false);
    assert.equal(writer.writableLength, 200_000);
    assert.equal(first?.length, 100_000);
    taken[0]?.();
    assert.equal(first.length, 0);
    assert.deepEqual(sent.slice(1), [second]);
    assert.equal(second?.length, 100_000);
    out.destroy();
  });

  for (const [what, chunks] of [
    ["the first bytes", inChunks(bytes, 1000)],
    ["an empty end", []],
  ] as const)
    it(`fails and writes nothing when begin throws before ${what}`, async () => {
      const out = new Writable({ write: () => assert.fail("something was sent") });
      const cause = new Error("no such header");
      const writer = createCheckedWriter(out, { ...anything, length: chunks.length * 1000 }, () => {
        throw cause;
      });
      await assert.rejects(pipeline(Readable.from(chunks), writer), { cause });
      assert.ok(!out.writableEnded);
      out.destroy();
    });

  for (const [what, breakOutput] of [
    ["closes", (out: Writable) => out.destroy()],
    ["fails", (out: Writable) => out.destroy(new Error("broken pipe"))],
  ] as const)
    it(`fails and destroys its source when its output ${what} in the middle of a chunk`, async () => {
      const source = Readable.from(inChunks(bytes, 1000));
      const out = new Writable({ write: () => breakOutput(out) });
      out.on("error", () => undefined);
      await assert.rejects(
        pipeline(
          source,
          createCheckedWriter(out, anything, () => undefined),
        ),
      );
      assert.ok(source.destroyed);
    });

  it("fails when its output is closed already", async () => {
    const out = new Writable().destroy();
    const source = Readable.from(inChunks(bytes, 1000));
    await assert.rejects(
      pipeline(
        source,
        createCheckedWriter(out, anything, () => undefined),
      ),
    );
    assert.ok(source.destroyed);
  });
});
