import assert from "node:assert/strict";
import { errorCode, frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import { data, frame, headers } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";

const { flowControlError } = errorCode;
const ok = { ":status": "200" };

describe("Connection: flow control of responses", () => {
  it("enlarges the window of a stream once half of it is used, padding included", async () => {
    await using peers = await ConnectionPeers.start({ streamWindowBytes: 100 });
    await peers.openAll(1);
    peers.send(headers(1, ok), data(1, "x".repeat(49)));
    await peers.sync();
    assert.ok(peers.frames.every(({ type, streamId }) => type !== frameType.windowUpdate || streamId === 0));
    peers.send(frame(frameType.data, frameFlag.padded, 1, Buffer.alloc(30, 29)));
    assert.equal((await peers.next(frameType.windowUpdate, 1)).payload.readUInt32BE(0), 79);
  });

  it("enlarges the window of the connection once half of it is used, for all streams", async () => {
    await using peers = await ConnectionPeers.start({ windowBytes: 100_000 });
    const [one, two] = await peers.openAll(2);
    assert.equal((await peers.next(frameType.windowUpdate, 0)).payload.readUInt32BE(0), 100_000 - 65_535);
    one!.stream.pause();
    const chunk = Buffer.alloc(16_000);
    peers.send(
      headers(1, ok),
      headers(3, ok),
      data(1, chunk),
      data(1, chunk),
      data(3, chunk),
      data(3, chunk),
    );
    assert.equal((await peers.next(frameType.windowUpdate, 0)).payload.readUInt32BE(0), 64_000);
    assert.equal(two!.data.length, 2);
  });

  it("does not enlarge the window of a paused stream until it is resumed", async () => {
    await using peers = await ConnectionPeers.start({ streamWindowBytes: 100 });
    const [one, other] = await peers.openAll(2);
    one!.stream.pause();
    peers.send(headers(1, ok), data(1, "x".repeat(60)), data(1, "x".repeat(40)), data(1, ""));
    await peers.sync();
    assert.equal(Buffer.concat(one!.data).length, 100);
    assert.ok(peers.frames.every(({ type, streamId }) => type !== frameType.windowUpdate || streamId === 0));
    one!.stream.resume();
    assert.equal((await peers.next(frameType.windowUpdate, 1)).payload.readUInt32BE(0), 100);
    await peers.assertWorks(other!);
  });

  for (const [title, bytes] of [
    ["DATA", data(1, "xx")],
    ["padding", frame(frameType.data, frameFlag.padded, 1, Buffer.of(1, 0))],
    ["DATA that ends the stream", data(1, "xx", "ends")],
  ] as const)
    it(`resets only the stream whose window is exceeded by ${title}`, async () => {
      await using peers = await ConnectionPeers.start({ streamWindowBytes: 100 });
      const [one, other] = await peers.openAll(2);
      one!.stream.pause();
      peers.send(headers(1, ok), data(1, "x".repeat(99)), bytes, data(1, "more"));
      const end = await one!.end;
      assert.deepEqual([end.kind, end.code], ["invalid", flowControlError]);
      assert.equal(await peers.resetCode(1), flowControlError);
      assert.equal(Buffer.concat(one!.data).length, 99);
      await peers.assertWorks(other!);
    });

  it("sends no window update for a stream that has ended", async () => {
    await using peers = await ConnectionPeers.start({ streamWindowBytes: 100 });
    const [one, two] = await peers.openAll(2);
    two!.stream.pause();
    peers.send(
      headers(1, ok),
      data(1, "x".repeat(100), "ends"),
      headers(3, ok),
      data(3, "x".repeat(100), "ends"),
    );
    await Promise.all([one!.end, two!.end]);
    two!.stream.resume();
    await peers.sync();
    assert.ok(peers.frames.every(({ type, streamId }) => type !== frameType.windowUpdate || streamId === 0));
  });
});
