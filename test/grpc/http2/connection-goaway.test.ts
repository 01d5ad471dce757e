import assert from "node:assert/strict";
import { errorCode, frameType } from "../../../src/grpc/http2/protocol.ts";
import { data, goaway, headers, response, settings } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";

const { protocolError, noError, refusedStream, enhanceYourCalm, internalError, cancel } = errorCode;
const refused = { kind: "refused", code: refusedStream };
const lastId = 2 ** 31 - 1;

function openFails(peers: ConnectionPeers): void {
  assert.throws(() => peers.open(), { message: "the connection opens no more streams" });
}

describe("Connection: GOAWAY", () => {
  it("refuses the streams above its last id, and finishes the others", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, two, three, four] = await peers.openAll(4);
    peers.send(goaway(3, noError));
    assert.deepEqual(await Promise.all([three!.end, four!.end]), [refused, refused]);
    assert.equal(peers.connection.state, "draining");
    openFails(peers);
    await peers.assertWorks(one!);
    await peers.assertWorks(two!);
    assert.equal(await peers.goawayCode(), noError);
    await peers.whenClosed;
    assert.deepEqual(peers.events.slice(-3), ["stream 3 ended 0", "closing undefined", "closed"]);
    assert.ok(peers.frames.every(({ type }) => type !== frameType.rstStream));
  });

  it("lets all streams finish with the largest last id, then refuses those above the next", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, two] = await peers.openAll(2);
    peers.send(goaway(lastId, noError));
    await peers.sync();
    assert.deepEqual([peers.connection.state, peers.connection.size], ["draining", 2]);
    openFails(peers);
    peers.send(goaway(1, noError), goaway(1, noError));
    assert.deepEqual(await two!.end, refused);
    await peers.assertWorks(one!);
    await peers.whenClosed;
  });

  it("ignores the reserved bit of its last id", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, two] = await peers.openAll(2);
    peers.send(goaway(2 ** 31 + 1, noError));
    assert.deepEqual(await two!.end, refused);
    await peers.assertWorks(one!);
  });

  it("refuses all streams with last id 0, and closes the connection", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(2);
    peers.send(goaway(0, noError));
    for (const { end } of exchanges) assert.deepEqual(await end, refused);
    assert.equal(await peers.goawayCode(), noError);
    await peers.whenClosed;
    openFails(peers);
  });

  it("closes the connection without streams", async () => {
    await using peers = await ConnectionPeers.start();
    peers.send(goaway(lastId, noError));
    assert.equal(await peers.goawayCode(), noError);
    await peers.whenClosed;
    openFails(peers);
    assert.deepEqual(peers.events.slice(1), ['goaway 0 ""', "closing undefined", "closed"]);
  });

  for (const [first, second] of [
    [1, 3],
    [3, lastId],
  ] as const)
    it(`breaks with PROTOCOL_ERROR when its last id grows from ${first} to ${second}`, async () => {
      await using peers = await ConnectionPeers.start();
      const exchanges = await peers.openAll(1);
      peers.send(goaway(first, noError), goaway(second, noError));
      await peers.assertBroken(protocolError, exchanges);
    });

  it("ends the streams at once if the listener does not let them finish", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, two] = await peers.openAll(2);
    peers.send(goaway(1, internalError, "out of memory"));
    const end = await one!.end;
    assert.deepEqual(
      [end.kind, end.code, end.cause?.message],
      ["session-lost", cancel, "the server closed the connection with HTTP/2 code 2"],
    );
    assert.deepEqual(await two!.end, refused);
    await peers.whenClosed;
    assert.ok(peers.events.includes('goaway 2 "out of memory"'));
  });

  it("lets streams finish after an error code if the listener says so", async () => {
    await using peers = await ConnectionPeers.start({ on: { onGoaway: () => true } });
    const [one] = await peers.openAll(1);
    peers.send(goaway(1, enhanceYourCalm, "too_many_pings"));
    await peers.assertWorks(one!);
    await peers.whenClosed;
    assert.ok(peers.events.includes('goaway 11 "too_many_pings"'));
  });

  it("reads at most 256 bytes of the debug data", async () => {
    await using peers = await ConnectionPeers.start();
    await peers.openAll(1);
    peers.send(goaway(1, noError, "\xff".repeat(10_000)));
    await peers.sync();
    assert.ok(peers.events.includes(`goaway 0 ${JSON.stringify("\xff".repeat(256))}`));
  });

  it("refuses requests that wait for the settings with none of them sent", async () => {
    await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
    const one = peers.open();
    peers.send(settings(), goaway(0, noError));
    assert.deepEqual(await one.end, refused);
    await peers.whenClosed;
  });

  it("ends a half received response above its last id", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, two] = await peers.openAll(2);
    peers.send(headers(3, { ":status": "200" }), data(3, "x"), goaway(1, noError), response(1));
    assert.deepEqual(await two!.end, refused);
    assert.equal((await one!.end).kind, "ended");
  });

  it("sends the rest of request bodies below its last id", async () => {
    await using peers = await ConnectionPeers.start({ first: settings([4, 10]) });
    await peers.sync();
    const one = peers.open({ body: Buffer.alloc(100) });
    await peers.next(frameType.data, 1);
    peers.send(goaway(1, noError), settings([4, 100]));
    assert.equal((await peers.next(frameType.data, 1)).payload.length, 90);
    await peers.assertWorks(one);
  });

  it("does not open streams from a listener that is called by it", async () => {
    const outcomes: string[] = [];
    await using peers = await ConnectionPeers.start();
    const one = peers.open(
      {},
      {
        onClosed() {
          try {
            peers.open();
          } catch (error) {
            outcomes.push((error as Error).message);
          }
        },
      },
    );
    await peers.next(frameType.data, 1);
    peers.send(goaway(0, noError));
    await one.end;
    assert.deepEqual(outcomes, ["the connection opens no more streams"]);
    await peers.whenClosed;
  });
});
