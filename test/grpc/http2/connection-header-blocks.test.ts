import assert from "node:assert/strict";
import { errorCode, frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import { block, blockFrames, data, frame, headers } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";

const { compressionError, enhanceYourCalm, cancel } = errorCode;
const kib = 1024;
const ok = { ":status": "200" };

/** A field that is added to the table, and the block that refers to it. */
const addedField = block({ added: "value" }, 0x40);
const referring = Buffer.concat([block(ok), Buffer.of(0x80 | 62)]);

/** Blocks that RFC 7541 forbids. */
const undecodable: readonly (readonly [title: string, bytes: Buffer])[] = [
  ["the index 0", Buffer.of(0x80)],
  ["an index beyond the table", Buffer.of(0x80 | 62)],
  ["the name of an index beyond the table", Buffer.of(0x40 | 62, 1, 97)],
  ["a string beyond the block", Buffer.of(0, 5, 97)],
  ["a string of 256 MiB", Buffer.of(0, 127, 255, 255, 255, 126)],
  ["an integer that does not end", Buffer.alloc(100, 255)],
  ["a block that ends within an integer", Buffer.of(255, 128)],
  ["a block that ends within a field", Buffer.of(0x88, 0)],
  ["EOS within a string", Buffer.of(0, 0x84, 255, 255, 255, 255)],
  ["wrong padding of a string", Buffer.of(0, 0x81, 0, 0)],
  ["a table larger than the limit", Buffer.of(0x3f, 0xe2, 0x1f)],
  ["a table size after a field", Buffer.of(0x88, 0x20)],
  [
    "a reference to an evicted field",
    Buffer.concat([
      addedField,
      Buffer.of(0x80 | 62),
      block({ big: "x".repeat(4090) }, 0x40),
      Buffer.of(0x80 | 62),
    ]),
  ],
  [
    "a reference after the table was emptied",
    Buffer.concat([Buffer.of(0x20), addedField, Buffer.of(0x80 | 62)]),
  ],
];

/** `count` references to a field of almost 4 KiB in the table. */
function bomb(count: number): Buffer {
  return Buffer.concat([block(ok), block({ bomb: "x".repeat(4000) }, 0x40), Buffer.alloc(count, 0x80 | 62)]);
}

describe("Connection: header blocks", () => {
  for (const [title, bytes] of undecodable)
    it(`breaks with COMPRESSION_ERROR by ${title}`, async () => {
      await using peers = await ConnectionPeers.start();
      const exchanges = await peers.openAll(2);
      peers.send(blockFrames(1, bytes));
      await peers.assertBroken(compressionError, exchanges);
    });

  it("breaks with COMPRESSION_ERROR by the block of a cancelled stream", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, other] = await peers.openAll(2);
    one!.stream.cancel();
    peers.send(blockFrames(1, Buffer.of(0x80)));
    await peers.assertBroken(compressionError, [other!]);
    assert.deepEqual(one!.ends, []);
  });

  it("breaks with COMPRESSION_ERROR by a remembered block whose entry was evicted", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(4);
    peers.send(
      blockFrames(1, Buffer.concat([block(ok), addedField])),
      blockFrames(3, referring),
      blockFrames(5, Buffer.concat([Buffer.of(0x20), block(ok)])),
      blockFrames(7, referring),
    );
    await peers.assertBroken(compressionError, exchanges);
  });

  for (const [title, make] of [
    ["33 KiB", () => block({ ...ok, long: "x".repeat(33 * kib) })],
    ["500 KiB", () => block({ ...ok, long: "x".repeat(500 * kib) })],
    ["many fields", () => block(Array.from({ length: 2000 }, (_, index) => [`f${index}`, ""]))],
    ["a bomb of 400 MiB", () => bomb(100_000)],
  ] as const)
    it(`resets only the stream whose header list has ${title}, and decodes the next blocks`, async () => {
      await using peers = await ConnectionPeers.start();
      const [one, two, three] = await peers.openAll(3);
      const before = process.memoryUsage().heapUsed;
      peers.send(blockFrames(1, Buffer.concat([make(), addedField])));
      const end = await one!.end;
      assert.deepEqual([end.kind, end.code], ["invalid", enhanceYourCalm]);
      assert.match(end.cause!.message, /larger than 32768 bytes/);
      assert.equal(await peers.resetCode(1), enhanceYourCalm);
      assert.ok(process.memoryUsage().heapUsed - before < 50 * kib * kib);
      assert.deepEqual(one!.headers, []);
      peers.send(blockFrames(3, referring, "ends"));
      await two!.end;
      assert.deepEqual({ ...two!.headers[0]!.fields }, { added: "value" });
      await peers.assertWorks(three!);
    });

  it("resets only the stream whose trailers are too large", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, other] = await peers.openAll(2);
    peers.send(headers(1, ok), data(1, "body"), headers(1, { long: "x".repeat(33 * kib) }, "ends"));
    assert.equal((await one!.end).kind, "invalid");
    assert.equal(await peers.resetCode(1), enhanceYourCalm);
    assert.deepEqual(one!.trailers, []);
    await peers.assertWorks(other!);
  });

  for (const [title, make] of [
    ["cancelled", (add: Buffer) => [blockFrames(1, Buffer.concat([block(ok), add]))]],
    [
      "cancelled stream with a malformed",
      (add: Buffer) => [blockFrames(1, Buffer.concat([block({ A: "b" }), add]))],
    ],
    [
      "cancelled stream with a continued",
      (add: Buffer) => [
        frame(frameType.headers, 0, 1, add.subarray(0, 4)),
        frame(frameType.continuation, frameFlag.endHeaders, 1, add.subarray(4)),
      ],
    ],
  ] as const)
    it(`decodes blocks after one of a ${title} block`, async () => {
      await using peers = await ConnectionPeers.start();
      const [one, other] = await peers.openAll(2);
      one!.stream.cancel();
      assert.equal(await peers.resetCode(1), cancel);
      peers.send(...make(addedField), blockFrames(3, referring, "ends"));
      await other!.end;
      assert.deepEqual({ ...other!.headers[0]!.fields }, { added: "value" });
    });

  it("decodes blocks after one whose stream was cancelled between its frames", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, other] = await peers.openAll(2);
    peers.deliver(frame(frameType.headers, 0, 1, addedField.subarray(0, 4)));
    one!.stream.cancel();
    peers.deliver(frame(frameType.continuation, frameFlag.endHeaders, 1, addedField.subarray(4)));
    peers.send(blockFrames(3, referring, "ends"));
    await other!.end;
    assert.deepEqual({ ...other!.headers[0]!.fields }, { added: "value" });
    assert.deepEqual(one!.ends, []);
  });

  it("follows a table that is resized in the middle", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(3);
    peers.send(
      blockFrames(1, Buffer.concat([block(ok), addedField]), "ends"),
      blockFrames(3, Buffer.concat([Buffer.of(0x20, 0x3f, 0xe1, 0x1f), block(ok), addedField]), "ends"),
      blockFrames(5, referring, "ends"),
    );
    for (const { end } of exchanges) assert.equal((await end).kind, "ended");
    for (const exchange of exchanges)
      assert.deepEqual({ ...exchange.headers[0]!.fields }, { added: "value" });
  });

  it("accepts a block of 128 frames and one of 512 KiB", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, two, other] = await peers.openAll(3);
    const empty = frame(frameType.continuation, 0, 1);
    peers.send(
      frame(frameType.headers, frameFlag.endStream, 1, block(ok)),
      ...Array.from({ length: 126 }, () => empty),
      frame(frameType.continuation, frameFlag.endHeaders, 1),
    );
    assert.equal((await one!.end).kind, "ended");
    peers.send(blockFrames(3, Buffer.concat([block(ok), block({ a: "x".repeat(512 * kib - 20) })])));
    assert.equal((await two!.end).kind, "invalid");
    await peers.assertWorks(other!);
  });

  for (const [title, fragment, count] of [
    ["empty", Buffer.alloc(0), 128],
    ["full", Buffer.alloc(16_384), 32],
  ] as const)
    for (const isCancelled of [false, true])
      it(`breaks with ENHANCE_YOUR_CALM by endless ${title} CONTINUATION of ${isCancelled ? "a cancelled" : "an open"} stream`, async () => {
        await using peers = await ConnectionPeers.start();
        const [one, other] = await peers.openAll(2);
        if (isCancelled) one!.stream.cancel();
        const frames = Array.from({ length: count }, () => frame(frameType.continuation, 0, 1, fragment));
        peers.send(frame(frameType.headers, 0, 1, Buffer.of(0x88)), ...frames);
        await peers.assertBroken(enhanceYourCalm, isCancelled ? [other!] : [one!, other!]);
      });
});
