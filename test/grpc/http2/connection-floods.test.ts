import assert from "node:assert/strict";
import { errorCode, frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import {
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
} from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";

const { enhanceYourCalm } = errorCode;
const ok = { ":status": "200" };

/** Frames that bring nothing, and as how many others each counts: stream 1 is closed, 3 is cancelled, 5 and 7 are open. */
const floods: readonly (readonly [title: string, bytes: Buffer, cost?: number])[] = [
  ["SETTINGS", settings(), 20],
  ["acknowledgements that were not asked for", settingsAck],
  ["PING", ping()],
  ["acknowledgements of pings that were not sent", ping(Buffer.alloc(8, 1), frameFlag.ack)],
  ["WINDOW_UPDATE of the connection", windowUpdate(0, 1)],
  ["WINDOW_UPDATE of an open stream", windowUpdate(5, 1)],
  ["WINDOW_UPDATE of a closed stream", windowUpdate(1, 1)],
  ["RST_STREAM of a closed stream", reset(1, 8)],
  ["RST_STREAM of a cancelled stream", reset(3, 8)],
  ["PRIORITY", frame(frameType.priority, 0, 5, Buffer.alloc(5))],
  ["empty DATA", data(5, "")],
  ["DATA with nothing but padding", frame(frameType.data, frameFlag.padded, 5, Buffer.of(1, 0))],
  ["DATA of a cancelled stream", data(3, "x")],
  ["headers of a cancelled stream", headers(3, ok)],
  ["interim responses", headers(7, { ":status": "100" })],
  ["unknown frames", frame(0xbe, 0, 0)],
  ["unknown frames of a stream", frame(0xbe, 0, 5)],
  ["GOAWAY", goaway(7, 0), 20],
];

/** Peers with such streams; the open ones. */
async function startFlooded() {
  const peers = await ConnectionPeers.start();
  const [one, two, ...open] = await peers.openAll(4);
  peers.send(response(1), headers(5, ok));
  await one!.end;
  two!.stream.cancel();
  await peers.resetCode(3);
  return { peers, open, [Symbol.asyncDispose]: () => peers[Symbol.asyncDispose]() };
}

describe("Connection: floods", () => {
  for (const [title, bytes, cost = 1] of floods) {
    it(`breaks with ENHANCE_YOUR_CALM by ${title}`, async () => {
      await using flooded = await startFlooded();
      const { peers, open } = flooded;
      peers.send(...Array.from({ length: 1200 / cost }, () => bytes));
      await peers.assertBroken(enhanceYourCalm, open);
    });
    it(`accepts ${900 / cost} frames at once: ${title}`, async () => {
      await using flooded = await startFlooded();
      const { peers, open } = flooded;
      peers.send(...Array.from({ length: 900 / cost }, () => bytes));
      await peers.assertWorks(open[1]!);
    });
  }

  it("accepts a ping and window updates with each of 3,000 responses", async () => {
    await using peers = await ConnectionPeers.start();
    for (let rounds = 0; rounds < 30; rounds += 1) {
      const exchanges = await peers.openAll(100);
      for (const { stream } of exchanges)
        peers.send(
          ping(),
          windowUpdate(0, 1),
          windowUpdate(stream.id, 1),
          response(stream.id),
          windowUpdate(stream.id, 1),
          reset(stream.id, 0),
        );
      for (const { end } of exchanges) assert.equal((await end).kind, "ended");
    }
  });

  it("accepts a ping and window updates for each of many large messages on one stream", async () => {
    await using peers = await ConnectionPeers.start();
    const [one] = await peers.openAll(1);
    peers.send(headers(1, ok));
    for (let sent = 0; sent < 3000; sent += 10) {
      peers.send(
        ...Array.from({ length: 10 }, () =>
          Buffer.concat([ping(), windowUpdate(0, 1), data(1, "x".repeat(100))]),
        ),
      );
      await peers.sync();
    }
    peers.send(data(1, "", "ends"));
    assert.equal((await one!.end).kind, "ended");
    assert.equal(Buffer.concat(one!.data).length, 300_000);
  });

  it("accepts window updates for each frame of a large request", async () => {
    await using peers = await ConnectionPeers.start({ first: settings([4, 2 ** 31 - 1]) });
    await peers.sync();
    const one = peers.open({ body: Buffer.alloc(16_000_000) });
    for (let received = 0; received < 16_000_000;) {
      const { length } = (await peers.next(frameType.data, 1)).payload;
      received += length;
      peers.send(windowUpdate(0, length), windowUpdate(1, 1), windowUpdate(1, 1));
    }
    await peers.assertWorks(one);
  });

  it("accepts window updates for 3,000 concurrent requests before the first response", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(3000);
    peers.send(
      ...exchanges.map(({ stream }) =>
        Buffer.concat([windowUpdate(stream.id, 1), windowUpdate(0, 1), ping()]),
      ),
    );
    await peers.assertWorks(exchanges[0]!);
    assert.equal(peers.connection.size, 2999);
  });

  it("accepts messages and trailers of 3,000 streams that are cancelled at once", async () => {
    await using peers = await ConnectionPeers.start();
    const [other, ...exchanges] = await peers.openAll(3001);
    // Uses up what the requests have allowed.
    for (let count = 0; count < 24; count += 1)
      peers.deliver(Buffer.concat(Array<Buffer>(1000).fill(ping())));
    for (const { stream } of exchanges) stream.cancel();
    peers.send(...exchanges.map(({ stream }) => response(stream.id)));
    await peers.assertWorks(other!);
  });

  it("does not save up frames that bring nothing for later", async () => {
    await using peers = await ConnectionPeers.start();
    for (let rounds = 0; rounds < 20; rounds += 1)
      for (const exchange of await peers.openAll(100)) await peers.assertWorks(exchange);
    const exchanges = await peers.openAll(2);
    // As many as 100 concurrent streams allow.
    peers.send(...Array.from({ length: 3000 }, () => windowUpdate(0, 1)));
    await peers.assertBroken(enhanceYourCalm, exchanges);
  });

  it("closes when acknowledgements pile up because the server does not read", async () => {
    await using peers = await ConnectionPeers.start();
    const exchange = peers.open();
    await peers.next(frameType.data, 1);
    peers.socket.pause();
    peers.deliver(headers(1, ok));
    // DATA with content allows more pings.
    const flood = Buffer.concat(
      Array.from({ length: 400 }, () => [data(1, "x"), ...Array.from({ length: 8 }, () => ping())]).flat(),
    );
    let delivered = 0;
    for (; peers.connection.state !== "closed" && delivered < 100_000_000; delivered += flood.length) {
      peers.deliver(flood);
      await new Promise(setImmediate);
    }
    assert.ok(delivered < 50_000_000, `${delivered} bytes`);
    const end = await exchange.end;
    assert.deepEqual([end.kind, end.cause?.message], ["session-lost", "the server does not read"]);
  });
});
