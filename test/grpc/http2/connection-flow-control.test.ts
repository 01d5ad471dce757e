import assert from "node:assert/strict";
import { errorCode, frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import { settingName } from "../../../src/grpc/http2/settings.ts";
import { settings, windowUpdate } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";
import type { Exchange } from "./peers.ts";

const { protocolError, flowControlError, cancel } = errorCode;
const maxWindow = 2 ** 31 - 1;
const mib = 1024 * 1024;

function initialWindow(bytes: number): Buffer {
  return settings([settingName.initialWindowSize, bytes]);
}

/** Peers whose server has this initial window, and a large window of the connection. */
async function startWith(window: number): Promise<ConnectionPeers> {
  const peers = await ConnectionPeers.start({ first: initialWindow(window) });
  peers.send(windowUpdate(0, maxWindow - 65_535));
  await peers.sync();
  return peers;
}

/** The DATA that the server has received until now: the stream, the length, and whether it is the end. */
async function dataSent(peers: ConnectionPeers): Promise<string[]> {
  await peers.sync();
  const sent = peers.frames.filter(({ type }) => type === frameType.data);
  return sent.map(
    ({ streamId, payload, flags }) => `${streamId}: ${payload.length}${flags === 0 ? "" : " end"}`,
  );
}

async function received(peers: ConnectionPeers, { stream }: Exchange): Promise<Buffer> {
  const payloads: Buffer[] = [];
  for (;;) {
    const { payload, flags } = await peers.next(frameType.data, stream.id);
    payloads.push(payload);
    if ((flags & frameFlag.endStream) !== 0) return Buffer.concat(payloads);
  }
}

describe("Connection: flow control of requests", () => {
  it("sends as much as the window of the stream allows", async () => {
    await using peers = await startWith(10);
    peers.open({ body: Buffer.alloc(10) });
    peers.open({ body: Buffer.alloc(16) });
    peers.open({ body: Buffer.alloc(0) });
    assert.deepEqual(await dataSent(peers), ["1: 10 end", "3: 10", "5: 0 end"]);
    peers.send(windowUpdate(3, 5));
    assert.deepEqual((await dataSent(peers)).slice(3), ["3: 5"]);
    peers.send(windowUpdate(3, 1000));
    assert.deepEqual((await dataSent(peers)).slice(4), ["3: 1 end"]);
  });

  it("sends as much as the window of the connection allows, then each body a frame in turn", async () => {
    await using peers = await ConnectionPeers.start({ first: initialWindow(mib) });
    await peers.sync();
    for (let count = 0; count < 3; count += 1) peers.open({ body: Buffer.alloc(50_000) });
    const first = ["1: 16384", "1: 16384", "1: 16384", "1: 848 end", "3: 15535"];
    assert.deepEqual(await dataSent(peers), first);
    peers.send(windowUpdate(0, 40_000));
    assert.deepEqual((await dataSent(peers)).slice(5), ["3: 16384", "5: 16384", "3: 7232"]);
    peers.send(windowUpdate(0, mib));
    assert.deepEqual((await dataSent(peers)).slice(8), [
      "5: 16384",
      "3: 10849 end",
      "5: 16384",
      "5: 848 end",
    ]);
  });

  it("sends a small body while others wait for their windows", async () => {
    await using peers = await startWith(100);
    peers.open({ body: Buffer.alloc(200) });
    peers.open({ body: Buffer.alloc(300) });
    const small = peers.open({ body: Buffer.alloc(50) });
    assert.deepEqual(await dataSent(peers), ["1: 100", "3: 100", "5: 50 end"]);
    await peers.assertWorks(small);
  });

  it("changes the windows of open streams, which may become negative", async () => {
    await using peers = await startWith(50);
    peers.open({ body: Buffer.alloc(100) });
    peers.send(initialWindow(1000), initialWindow(10));
    await peers.sync();
    const sentOne = ["1: 50", "1: 50 end"];
    assert.deepEqual(await dataSent(peers), sentOne);
    peers.open({ body: Buffer.alloc(100) });
    peers.send(initialWindow(4));
    // Its window is -6.
    peers.send(windowUpdate(3, 6));
    assert.deepEqual(await dataSent(peers), [...sentOne, "3: 10"]);
    peers.send(windowUpdate(3, 1));
    assert.deepEqual(await dataSent(peers), [...sentOne, "3: 10", "3: 1"]);
    peers.send(initialWindow(8));
    assert.deepEqual(await dataSent(peers), [...sentOne, "3: 10", "3: 1", "3: 4"]);
    peers.open({ body: Buffer.alloc(9) });
    assert.deepEqual((await dataSent(peers)).slice(5), ["5: 8"]);
  });

  it("takes the last of several initial windows, at the cost of one", async () => {
    await using peers = await ConnectionPeers.start();
    await peers.openAll(5000);
    const many = Array.from({ length: 2730 }, (_, index) => [settingName.initialWindowSize, index] as const);
    const before = process.cpuUsage().user;
    for (let count = 0; count < 20; count += 1) peers.deliver(settings(...many));
    // Each value for itself takes more than 5 s, all of them together about 20 ms.
    assert.ok(process.cpuUsage().user - before < 1_000_000);
    const { stream } = peers.open({ body: Buffer.alloc(5000) });
    assert.equal((await peers.next(frameType.data, stream.id)).payload.length, 2729);
  });

  for (const [title, bytes, code] of [
    ["WINDOW_UPDATE of 0", windowUpdate(1, 0), protocolError],
    ["WINDOW_UPDATE of 0 with the reserved bit", windowUpdate(1, 2 ** 31), protocolError],
    ["a window over 2^31-1", windowUpdate(1, maxWindow), flowControlError],
  ] as const)
    it(`resets only the stream of ${title} with code ${code}`, async () => {
      await using peers = await ConnectionPeers.start();
      const [one, other] = await peers.openAll(2);
      peers.send(bytes);
      const end = await one!.end;
      assert.deepEqual([end.kind, end.code], ["invalid", code]);
      assert.equal(await peers.resetCode(1), code);
      await peers.assertWorks(other!);
    });

  it("accepts windows of exactly 2^31-1", async () => {
    await using peers = await ConnectionPeers.start({ first: initialWindow(maxWindow - 1) });
    peers.send(windowUpdate(0, maxWindow - 65_535));
    await peers.sync();
    const [one] = await peers.openAll(1);
    // The request has 7 bytes.
    peers.send(windowUpdate(1, 8), windowUpdate(0, 7));
    await peers.assertWorks(one!);
  });

  it("breaks with FLOW_CONTROL_ERROR when an initial window makes that of a stream too large", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(2);
    peers.send(windowUpdate(1, maxWindow - 65_535), initialWindow(65_543));
    await peers.assertBroken(flowControlError, exchanges);
  });

  it("drops the rest of a cancelled body, and sends the others", async () => {
    await using peers = await ConnectionPeers.start({ first: initialWindow(mib) });
    await peers.sync();
    // Both wait for the window of the connection.
    const one = peers.open({ body: Buffer.alloc(65_635) });
    peers.open({ body: Buffer.alloc(200) });
    const before = (await dataSent(peers)).length;
    one.stream.cancel();
    assert.equal(await peers.resetCode(1), cancel);
    peers.send(windowUpdate(0, 1000));
    assert.deepEqual((await dataSent(peers)).slice(before), ["3: 200 end"]);
  });

  it("sends large bodies whole and in order under small windows", async () => {
    await using peers = await ConnectionPeers.start({ first: initialWindow(20_000) });
    await peers.sync();
    const body = Buffer.from(Uint8Array.from({ length: mib }, (_, index) => index ^ (index >>> 8)));
    const exchanges = Array.from({ length: 4 }, () => peers.open({ body }));
    const all = exchanges.map((exchange) => received(peers, exchange));
    for (
      let seen = 0;
      peers.frames.filter(({ type, flags }) => type === frameType.data && flags === 1).length < 4;
    ) {
      await peers.sync();
      for (const { type, streamId, payload } of peers.frames.slice(seen))
        if (type === frameType.data && payload.length > 0)
          peers.send(windowUpdate(streamId, payload.length), windowUpdate(0, payload.length));
      seen = peers.frames.length;
    }
    for (const bytes of await Promise.all(all)) assert.ok(bytes.equals(body));
    for (const exchange of exchanges) await peers.assertWorks(exchange);
  });

  it("holds bodies, in no memory of its own, while the server does not read", async () => {
    await using peers = await startWith(maxWindow);
    peers.socket.pause();
    const body = Buffer.alloc(4 * mib, 7);
    const before = process.memoryUsage().arrayBuffers;
    const large = Array.from({ length: 20 }, () => peers.open({ body }));
    const small = Array.from({ length: 100 }, () => peers.open());
    for (let turns = 0; turns < 100; turns += 1) await new Promise(setImmediate);
    assert.ok(process.memoryUsage().arrayBuffers - before < 2 * mib);
    peers.socket.resume();
    for (const exchange of large) assert.equal((await received(peers, exchange)).length, body.length);
    for (const exchange of small) assert.equal((await received(peers, exchange)).toString(), "request");
    for (const exchange of [...large, ...small]) await peers.assertWorks(exchange);
  });

  it("closes when the headers of requests pile up because the server does not read", async () => {
    await using peers = await startWith(maxWindow);
    peers.socket.pause();
    const exchanges: Exchange[] = [];
    const long = { headers: { long: "x".repeat(100_000) } };
    while (peers.connection.state === "ready" && exchanges.length < 1000) exchanges.push(peers.open(long));
    assert.ok(exchanges.length < 300, `${exchanges.length} requests`);
    for (const { end } of exchanges) assert.equal((await end).cause?.message, "the server does not read");
    assert.equal(peers.connection.size, 0);
  });
});
