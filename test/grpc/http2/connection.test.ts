import assert from "node:assert/strict";
import { HpackDecoder } from "../../../src/grpc/http2/hpack-decoder.ts";
import { frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import { ping, response } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";

const noMore = { message: "the connection opens no more streams" };

describe("Connection: requests", () => {
  it("sends the headers of the connection, the path and the headers of the request, then its body", async () => {
    await using peers = await ConnectionPeers.start();
    peers.open({ path: "/a.B/C", headers: { name: "value" }, body: Buffer.from("bytes") });
    const { flags, streamId, payload } = await peers.next(frameType.headers);
    assert.deepEqual([flags, streamId], [frameFlag.endHeaders, 1]);
    const { fields } = new HpackDecoder(1000).decode(payload, 0, payload.length);
    // The decoder is one of responses, which rejects the pseudo-headers of requests.
    assert.deepEqual({ ...fields }, { name: "value" });
    for (const text of ["/a.B/C", "server.test"]) assert.ok(payload.includes(text));
    const body = await peers.next(frameType.data);
    assert.deepEqual(body, {
      type: 0,
      flags: frameFlag.endStream,
      streamId: 1,
      payload: Buffer.from("bytes"),
    });
  });

  it("sends headers that are longer than a frame with CONTINUATION", async () => {
    await using peers = await ConnectionPeers.start();
    const long = "x".repeat(40_000);
    const one = peers.open({ headers: { long } });
    const other = peers.open();
    await peers.next(frameType.data, 3);
    const sent = peers.frames.filter(({ streamId }) => streamId === 1).slice(0, 3);
    assert.deepEqual(
      sent.map(({ type, flags, payload }) => [type, flags, payload.length === 16_384]),
      [
        [frameType.headers, 0, true],
        [frameType.continuation, 0, true],
        [frameType.continuation, frameFlag.endHeaders, false],
      ],
    );
    const block = Buffer.concat(sent.map(({ payload }) => payload));
    assert.equal(new HpackDecoder(2 ** 20).decode(block, 0, block.length).fields["long"], long);
    await peers.assertWorks(one);
    await peers.assertWorks(other);
  });

  it("rejects headers that cannot be sent, and opens no stream", async () => {
    await using peers = await ConnectionPeers.start();
    for (const wrong of [{ Name: "x" }, { ":path": "/" }, { a: "b\r\n" }, { a: "\xe4" }])
      assert.throws(() => peers.open({ headers: wrong }), TypeError);
    assert.equal(peers.connection.size, 0);
    const [one] = await peers.openAll(1);
    assert.equal(one!.stream.id, 1);
  });

  it("opens streams with odd ids up to 2^31-1, and then no more", async () => {
    await using peers = await ConnectionPeers.start({ limits: { firstStreamId: 2 ** 31 - 3 } });
    const [one, last] = await peers.openAll(2);
    assert.deepEqual([one!.stream.id, last!.stream.id], [2 ** 31 - 3, 2 ** 31 - 1]);
    assert.throws(() => peers.open(), noMore);
    await peers.assertWorks(one!);
    assert.throws(() => peers.open(), noMore);
    await peers.assertWorks(last!);
    assert.equal(peers.connection.state, "ready");
  });

  it("carries 2,000 streams at once, whose responses come in any order", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(2000);
    const shuffled = exchanges.map((exchange, index) => [(index * 7919) % 2000, exchange] as const);
    shuffled.sort(([a], [b]) => a - b);
    peers.send(...shuffled.map(([, { stream }]) => response(stream.id, `body ${stream.id}`)));
    for (const { end, data: chunks, stream } of exchanges) {
      assert.equal((await end).kind, "ended");
      assert.equal(Buffer.concat(chunks).toString(), `body ${stream.id}`);
    }
    assert.equal(peers.connection.size, 0);
  });
});

describe("Connection: pings", () => {
  it("acknowledges pings with their payload", async () => {
    await using peers = await ConnectionPeers.start();
    peers.send(ping(Buffer.from("8 bytes!")));
    const { flags, streamId, payload } = await peers.next(frameType.ping);
    assert.deepEqual([flags, streamId, payload.toString()], [frameFlag.ack, 0, "8 bytes!"]);
  });

  it("calls back for the acknowledgements of its own, in order and once", async () => {
    await using peers = await ConnectionPeers.start();
    const called: string[] = [];
    peers.connection.ping(() => called.push("one"));
    peers.connection.ping(() => called.push("two"));
    const [one, two] = [await peers.next(frameType.ping), await peers.next(frameType.ping)];
    assert.notDeepEqual(one.payload, two.payload);
    // Not in order, wrong, and again: ignored.
    peers.send(ping(two.payload, 1), ping(Buffer.alloc(8), 1), ping(one.payload, 1), ping(one.payload, 1));
    await peers.sync();
    assert.deepEqual(called, ["one"]);
    peers.send(ping(two.payload, 1));
    await peers.sync();
    assert.deepEqual(called, ["one", "two"]);
    assert.equal(two.flags, 0);
  });
});
