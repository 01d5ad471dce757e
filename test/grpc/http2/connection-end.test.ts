import assert from "node:assert/strict";
import { errorCode, frameType } from "../../../src/grpc/http2/protocol.ts";
import { data, headers, response, settings } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";
import type { Exchange } from "./peers.ts";

const { cancel, noError, internalError } = errorCode;
const ok = { ":status": "200" };
const noMore = { message: "the connection opens no more streams" };

function resets(peers: ConnectionPeers): number {
  return peers.frames.filter(({ type }) => type === frameType.rstStream).length;
}

describe("Connection: the end of a stream by this side", () => {
  it("does not send a request that is cancelled while it waits for the settings", async () => {
    await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
    const [one, other] = [peers.open(), peers.open()];
    one.stream.cancel();
    assert.equal(peers.connection.size, 1);
    peers.send(settings());
    await peers.next(frameType.data, 1);
    await peers.assertWorks(other);
    assert.deepEqual([one.ends, resets(peers), other.stream.id], [[], 0, 1]);
    assert.deepEqual(peers.events.slice(0, 2), ["stream 0 reset 8", "settings Infinity"]);
  });

  for (const [state, received] of [
    ["sent", []],
    ["with interim responses", [headers(1, { ":status": "100" })]],
    ["with response headers", [headers(1, ok)]],
    ["with half of its body", [headers(1, ok), data(1, "half")]],
  ] as const)
    it(`resets a cancelled stream, ${state}, with CANCEL and does not call its listener`, async () => {
      await using peers = await ConnectionPeers.start();
      const [one, other] = await peers.openAll(2);
      peers.send(...received);
      await peers.sync();
      one!.stream.cancel();
      one!.stream.cancel();
      one!.stream.pause();
      one!.stream.resume();
      assert.equal(await peers.resetCode(1), cancel);
      peers.send(response(1));
      await peers.assertWorks(other!);
      assert.deepEqual([one!.ends, one!.trailers, resets(peers)], [[], [], 1]);
      assert.equal(peers.events.filter((event) => event === "stream 1 reset 8").length, 1);
    });

  it("sends nothing for a stream that is cancelled after its end", async () => {
    await using peers = await ConnectionPeers.start();
    const [one] = await peers.openAll(1);
    await peers.assertWorks(one!);
    one!.stream.cancel();
    one!.stream.end("session-lost", undefined);
    await peers.sync();
    assert.deepEqual([resets(peers), one!.ends.length], [0, 1]);
  });

  it("ends a stream with the given kind and cause", async () => {
    await using peers = await ConnectionPeers.start();
    const [one] = await peers.openAll(1);
    const cause = new Error("unresponsive");
    one!.stream.end("session-lost", cause);
    assert.deepEqual(one!.ends, [{ kind: "session-lost", code: cancel, cause }]);
    assert.equal(await peers.resetCode(1), cancel);
  });

  it("ends only the streams that wait for the settings as not sent", async () => {
    await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
    const waiting = [peers.open(), peers.open()];
    const cause = new Error("moved");
    peers.connection.endWaiting(cause);
    for (const { ends } of waiting) assert.deepEqual(ends, [{ kind: "not-sent", code: cancel, cause }]);
    peers.send(settings());
    await peers.sync();
    const [one] = await peers.openAll(1);
    peers.connection.endWaiting(cause);
    assert.deepEqual(one!.ends, []);
  });
});

describe("Connection: drain and close", () => {
  it("closes with GOAWAY after the last stream is ended", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, two] = await peers.openAll(2);
    peers.connection.drain();
    assert.equal(peers.connection.state, "draining");
    assert.throws(() => peers.open(), noMore);
    await peers.assertWorks(one!);
    two!.stream.cancel();
    assert.equal(await peers.resetCode(3), cancel);
    assert.equal(await peers.goawayCode(), noError);
    await peers.whenClosed;
    assert.equal(peers.connection.state, "closed");
    peers.connection.drain();
    assert.equal(peers.connection.state, "closed");
    assert.equal(peers.events.filter((event) => event.startsWith("closing")).length, 1);
  });

  it("sends the requests that wait for the settings after it was drained", async () => {
    await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
    const exchange = peers.open();
    peers.connection.drain();
    peers.send(settings());
    await peers.next(frameType.data, 1);
    await peers.assertWorks(exchange);
    assert.equal(await peers.goawayCode(), noError);
    await peers.whenClosed;
  });

  it("closes at once when it is drained without streams", async () => {
    await using peers = await ConnectionPeers.start();
    peers.connection.drain();
    assert.equal(peers.connection.state, "closed");
    assert.equal(await peers.goawayCode(), noError);
    await peers.whenClosed;
    assert.deepEqual(peers.events.slice(1), ["closing undefined", "closed"]);
  });

  it("ends every stream once when it is closed, those that wait for the settings too", async () => {
    for (const first of [settings(), Buffer.alloc(0)]) {
      await using peers = await ConnectionPeers.start({ first });
      const exchanges = [peers.open(), peers.open()];
      await peers.next(frameType.windowUpdate);
      const cause = new Error("shut down");
      peers.connection.close(cause);
      for (const { ends } of exchanges)
        assert.deepEqual(ends, [{ kind: "session-lost", code: cancel, cause }]);
      peers.connection.close();
      await peers.whenClosed;
      assert.equal(peers.events.filter((event) => event.startsWith("closing")).length, 1);
      for (const { ends } of exchanges) assert.equal(ends.length, 1);
      assert.throws(() => peers.open(), noMore);
      assert.equal(peers.connection.size, 0);
    }
  });

  it("does not end a stream that a listener has cancelled meanwhile", async () => {
    await using peers = await ConnectionPeers.start();
    const one: Exchange = peers.open({}, { onClosed: () => other.stream.cancel() });
    const other = peers.open();
    await peers.next(frameType.data, 3);
    peers.connection.close();
    assert.deepEqual([one.ends.length, other.ends.length], [1, 0]);
    assert.equal(peers.events.filter((event) => event.startsWith("stream 3")).length, 1);
  });

  it("breaks with INTERNAL_ERROR when a listener throws", async () => {
    await using peers = await ConnectionPeers.start();
    const one = peers.open({}, { onHeaders: () => assert.fail("fault") });
    const other = peers.open();
    await peers.next(frameType.data, 3);
    peers.send(response(1));
    await peers.assertBroken(internalError, [one, other]);
  });
});
