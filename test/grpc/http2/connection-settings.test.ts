import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { HpackDecoder } from "../../../src/grpc/http2/hpack-decoder.ts";
import { errorCode, frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import { settingName } from "../../../src/grpc/http2/settings.ts";
import { scaled } from "../../support/machine.ts";
import { frame, headers, ping, response, settings, settingsAck, windowUpdate, words } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";
import type { Exchange } from "./peers.ts";

const { protocolError, flowControlError, frameSizeError, settingsTimeout, cancel } = errorCode;
const {
  headerTableSize,
  enablePush,
  maxConcurrentStreams,
  initialWindowSize,
  maxFrameSize,
  maxHeaderListSize,
} = settingName;

const unacceptable: readonly (readonly [name: number, value: number, code: number])[] = [
  [enablePush, 1, protocolError],
  [enablePush, 2, protocolError],
  [initialWindowSize, 2 ** 31, flowControlError],
  [initialWindowSize, 2 ** 32 - 1, flowControlError],
  [maxFrameSize, 0, protocolError],
  [maxFrameSize, 16_383, protocolError],
  [maxFrameSize, 2 ** 24, protocolError],
];

const acceptable: readonly (readonly [name: number, value: number])[] = [
  [headerTableSize, 0],
  [headerTableSize, 2 ** 32 - 1],
  [enablePush, 0],
  [maxConcurrentStreams, 2 ** 32 - 1],
  [initialWindowSize, 2 ** 31 - 1],
  [maxFrameSize, 16_384],
  [maxFrameSize, 2 ** 24 - 1],
  [maxHeaderListSize, 0],
  [8, 1],
  [0xffff, 2 ** 32 - 1],
];

/** What a server may not send before SETTINGS (RFC 9113 §3.4). */
const wrongPrefaces: readonly (readonly [title: string, bytes: Buffer, code: number])[] = [
  ["an acknowledgement", settingsAck, protocolError],
  ["PING", ping(), protocolError],
  ["WINDOW_UPDATE", windowUpdate(0, 1), protocolError],
  ["an unknown frame", frame(0xbe, 0, 0), protocolError],
  ["HEADERS", headers(1, { ":status": "200" }), protocolError],
  [
    "a response of HTTP/1.1",
    Buffer.from("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"),
    protocolError,
  ],
  ["SETTINGS of 7 bytes", frame(frameType.settings, 0, 0, Buffer.alloc(7)), frameSizeError],
  ["a TLS alert", Buffer.from([21, 3, 1, 0, 2, 2, 70, 0, 0]), frameSizeError],
];

function isAck({ type, flags }: { readonly type: number; readonly flags: number }): boolean {
  return type === frameType.settings && flags === frameFlag.ack;
}

/** The connection must break with `code` before any request is sent: they are lost, no response is to blame. */
async function assertNotSent(
  peers: ConnectionPeers,
  code: number,
  exchanges: readonly Exchange[],
): Promise<void> {
  assert.equal(await peers.goawayCode(), code);
  for (const exchange of exchanges) {
    const end = await exchange.end;
    assert.deepEqual([end.kind, end.code, exchange.ends.length], ["session-lost", code, 1]);
  }
  assert.ok(peers.events.some((event) => event.startsWith("broken")));
  assert.ok(peers.frames.every(({ type }) => type !== frameType.headers));
}

describe("Connection: settings", () => {
  for (const [name, value, code] of unacceptable)
    for (const when of ["first", "later"] as const)
      it(`breaks with code ${code} by setting ${name} of ${value} in its ${when} SETTINGS`, async () => {
        const first = settings(...(when === "first" ? [[name, value] as const] : []));
        await using peers = await ConnectionPeers.start({ first });
        const exchanges = [peers.open(), peers.open()];
        if (when === "later") peers.send(settings([name, value]));
        if (when === "first") await assertNotSent(peers, code, exchanges);
        else await peers.assertBroken(code, exchanges);
        assert.equal(peers.frames.filter(isAck).length, when === "first" ? 0 : 1);
      });

  for (const [name, value] of acceptable)
    it(`acknowledges setting ${name} of ${value}`, async () => {
      await using peers = await ConnectionPeers.start({ first: settings([name, value]) });
      await peers.sync();
      const [one, other] = await peers.openAll(2);
      await peers.assertWorks(one!);
      peers.send(settings([name, value], [name, value]));
      await peers.assertWorks(other!);
      await peers.sync();
      assert.equal(peers.frames.filter(isAck).length, 2);
      assert.ok(
        peers.frames.filter(isAck).every(({ streamId, payload }) => streamId === 0 && payload.length === 0),
      );
    });

  for (const [title, bytes, code] of wrongPrefaces)
    it(`breaks by ${title} before SETTINGS`, async () => {
      await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
      const exchanges = [peers.open(), peers.open()];
      peers.send(bytes);
      await assertNotSent(peers, code, exchanges);
    });

  it("sends the preface, its settings and the window of the connection first", async () => {
    await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
    await peers.next(frameType.windowUpdate);
    assert.deepEqual(peers.frames, [
      {
        type: frameType.settings,
        flags: 0,
        streamId: 0,
        payload: settings(
          [enablePush, 0],
          [initialWindowSize, 65_535],
          [maxHeaderListSize, 32 * 1024],
        ).subarray(9),
      },
      { type: frameType.windowUpdate, flags: 0, streamId: 0, payload: words(1024 * 1024 - 65_535) },
    ]);
  });

  it("closes with SETTINGS_TIMEOUT if its settings are not acknowledged in time", async () => {
    await using peers = await ConnectionPeers.start({
      acknowledges: false,
      limits: { settingsTimeoutMs: 50 },
    });
    const [one, two] = [peers.open(), peers.open()];
    assert.equal(await peers.goawayCode(), settingsTimeout);
    for (const { end } of [one, two]) {
      const { kind, code, cause } = await end;
      assert.deepEqual([kind, code], ["session-lost", settingsTimeout]);
      assert.equal(cause?.message, "the server did not acknowledge the settings within 50 ms");
    }
  });

  it("lives on once its settings are acknowledged", async () => {
    const settingsTimeoutMs = scaled(300);
    await using peers = await ConnectionPeers.start({ limits: { settingsTimeoutMs } });
    await peers.sync();
    // Timers of the same time end in the order of their start.
    await setTimeout(settingsTimeoutMs);
    const [one] = await peers.openAll(1);
    await peers.assertWorks(one!);
  });

  it("calls back for each acknowledgement of its settings, in order", async () => {
    await using peers = await ConnectionPeers.start({ acknowledges: false });
    const called: string[] = [];
    peers.connection.sendSettings(() => called.push("one"));
    peers.connection.sendSettings(() => called.push("two"));
    // The first acknowledges the settings of the preface.
    peers.send(settingsAck, settingsAck);
    await peers.sync();
    assert.deepEqual(called, ["one"]);
    peers.send(settingsAck, settingsAck);
    await peers.sync();
    assert.deepEqual(called, ["one", "two"]);
  });

  it("holds requests until the settings are received", async () => {
    await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
    const exchange = peers.open();
    await peers.next(frameType.windowUpdate);
    assert.deepEqual(
      [peers.connection.state, peers.connection.size, exchange.stream.id],
      ["connecting", 1, 0],
    );
    assert.deepEqual(peers.connection.sentStreams, []);
    peers.send(settings());
    await peers.next(frameType.data, 1);
    assert.deepEqual(peers.connection.sentStreams, [exchange.stream]);
    await peers.assertWorks(exchange);
  });

  for (const [allowed, sent] of [
    [0, 0],
    [1, 1],
    [2, 2],
  ] as const)
    it(`sends ${sent} of three waiting requests when the server allows ${allowed} concurrent streams`, async () => {
      await using peers = await ConnectionPeers.start({ first: Buffer.alloc(0) });
      const exchanges = [peers.open(), peers.open(), peers.open()];
      peers.send(settings([maxConcurrentStreams, allowed]));
      await peers.sync();
      const ends = exchanges.map((exchange) => exchange.ends.map(({ kind, code }) => `${kind} ${code}`));
      assert.deepEqual(
        ends,
        [0, 1, 2].map((index) => (index < sent ? [] : [`not-sent ${cancel}`])),
      );
      assert.equal(peers.frames.filter(({ type }) => type === frameType.headers).length, sent);
      assert.equal(peers.connection.size, sent);
      for (const exchange of exchanges.slice(0, sent)) await peers.assertWorks(exchange);
    });

  it("reports the limit of each SETTINGS", async () => {
    await using peers = await ConnectionPeers.start({ first: settings([maxConcurrentStreams, 7]) });
    peers.send(settings([maxConcurrentStreams, 1], [maxConcurrentStreams, 0]), settings());
    await peers.sync();
    assert.deepEqual(peers.events, ["settings 7", "settings 0", "settings 0"]);
  });

  it("announces each change of the header table before the next block", async () => {
    await using peers = await ConnectionPeers.start();
    const decoder = new HpackDecoder(2 ** 20);
    const updates: string[] = [];
    for (const sizes of [[], [], [0], [4096], [100], [0, 4096], [2 ** 32 - 1]]) {
      peers.send(...sizes.map((size) => settings([headerTableSize, size])));
      await peers.sync();
      const exchange = peers.open({ headers: { "x-name": "value" } });
      const { payload } = await peers.next(frameType.headers);
      const { fields } = decoder.decode(payload, 0, payload.length);
      assert.deepEqual({ ...fields }, { "x-name": "value" });
      updates.push(/^(20|3f[8-f].[0-7].|3f45)*/.exec(payload.toString("hex"))![0]);
      peers.send(response(exchange.stream.id));
      await exchange.end;
    }
    assert.deepEqual(updates, ["", "", "20", "3fe11f", "203f45", "203fe11f", ""]);
  });
});
