import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { setTimeout } from "node:timers/promises";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { frameType } from "../../../src/grpc/http2/protocol.ts";
import { until } from "../../support/until.ts";
import {
  block,
  blockFrames,
  data,
  frame,
  goaway,
  headers,
  ping,
  reset,
  response,
  settings,
  windowUpdate,
} from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";
import type { Exchange } from "./peers.ts";

/** Streams 1 to 9 are open at first; the others are idle or of the server. */
const streamId = fc.oneof(
  { weight: 60, arbitrary: fc.constantFrom(1, 3, 5, 7, 9) },
  fc.constantFrom(0, 2, 11, 2 ** 31 - 1),
);
const text = fc.string({ maxLength: 40 });
const status = fc.constantFrom("200", "200", "200", "100", "404", "x");
const ends = fc.constantFrom(undefined, undefined, "ends" as const);
const number = fc.oneof(fc.nat(10), fc.nat(2 ** 31 - 1), fc.constantFrom(16_384, 65_535, 2 ** 31 - 1));
const fields = fc.dictionary(fc.stringMatching(/^[a-z-]{1,10}$/), fc.stringMatching(/^[ -~]{0,20}$/), {
  maxKeys: 4,
});

const validFrame: Arbitrary<Buffer> = fc.oneof(
  streamId.map((id) => response(id)),
  fc
    .tuple(streamId, status, fields, ends)
    .map(([id, value, rest, end]) => headers(id, { ":status": value, ...rest }, end)),
  fc.tuple(streamId, fields).map(([id, rest]) => headers(id, rest, "ends")),
  fc
    .tuple(streamId, fields)
    .map(([id, rest]) => blockFrames(id, Buffer.concat([block({ ":status": "200" }), block(rest, 0x40)]))),
  fc.tuple(streamId, text, ends).map(([id, body, end]) => data(id, body, end)),
  fc.tuple(streamId, fc.nat(20_000)).map(([id, size]) => data(id, Buffer.alloc(Math.min(size, 16_384)))),
  fc.tuple(streamId, number).map(([id, code]) => reset(id, code)),
  fc.tuple(streamId, number).map(([id, bytes]) => windowUpdate(id, bytes)),
  fc
    .array(fc.tuple(fc.constantFrom(1, 2, 3, 4, 4, 4, 5, 6, 7), number), { maxLength: 3 })
    .map((values) => settings(...values)),
  fc.tuple(number, number, text).map(([id, code, debug]) => goaway(id, code, debug)),
  fc.nat(1).map((flags) => ping(Buffer.from("12345678"), flags)),
  fc
    .tuple(fc.nat(20), fc.nat(255), streamId, fc.uint8Array({ maxLength: 20 }))
    .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
  fc.nat(1200).map((count) => Buffer.concat(Array.from({ length: count }, () => ping()))),
);

const mutatedFrame = fc.tuple(validFrame, fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[at % Math.min(copy.length, 40)] = value;
  return copy;
});
const anyBytes = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
const input = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: validFrame },
    { weight: 3, arbitrary: mutatedFrame },
    { weight: 1, arbitrary: anyBytes },
  ),
  { maxLength: 30 },
);

/** What streams do by themselves before a chunk is received. */
const act = fc.tuple(fc.nat(5), fc.constantFrom("cancel", "pause", "resume", "open", "none", "none"));

interface Observed extends Exchange {
  /** The calls of its listener: Headers, Data, Trailers, Closed. */
  readonly calls: { order: string };
  isCancelled: boolean;
}

function openObserved(peers: ConnectionPeers, bodyBytes: number): Observed {
  const calls = { order: "" };
  const exchange = peers.open(
    { body: Buffer.alloc(bodyBytes) },
    {
      onHeaders: () => (calls.order += "H"),
      onData: () => (calls.order += "D"),
      onTrailers: () => (calls.order += "T"),
      onClosed: () => (calls.order += "C"),
    },
  );
  return { ...exchange, calls, isCancelled: false };
}

async function runOnce(
  sent: Buffer[],
  sizes: number[],
  acts: [number, string][],
  hasSettings: boolean,
): Promise<void> {
  const peers = await ConnectionPeers.start(hasSettings ? {} : { first: Buffer.alloc(0) });
  const exchanges = Array.from({ length: 5 }, (_, index) => openObserved(peers, index * 30_000));
  const bytes = Buffer.concat(sent);
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const [index, what] = acts[turn % acts.length] ?? [0, "none"];
    const exchange = exchanges[index % exchanges.length]!;
    if (what === "cancel") {
      exchange.isCancelled = exchange.ends.length === 0;
      exchange.stream.cancel();
    } else if (what === "pause" || what === "resume") exchange.stream[what]();
    else if (what === "open" && peers.connection.state === "ready") exchanges.push(openObserved(peers, 10));
    const size = Math.min(sizes[turn % sizes.length] ?? 65_536, 65_536);
    peers.deliver(bytes.subarray(at, at + size));
    at += size;
  }
  const open = exchanges.filter(({ calls, isCancelled }) => !isCancelled && !calls.order.includes("C"));
  assert.equal(peers.connection.size, open.length);
  peers.connection.close();
  await peers.whenClosed;
  for (const { calls, isCancelled, ends: endsOfOne } of exchanges) {
    assert.match(calls.order, isCancelled ? /^H?D*$/ : /^(?:HD*T?)?C$/);
    assert.equal(endsOfOne.length, isCancelled ? 0 : 1);
  }
  assert.equal(peers.connection.size, 0);
  assert.equal(peers.events.filter((event) => /^(?:closing|broken)/.test(event)).length, 1);
  await peers[Symbol.asyncDispose]();
  // Each frame is responded to at most with itself, a reset and the windows.
  const sentBack = peers.frames.filter(
    ({ type }) => type !== frameType.data && type !== frameType.headers,
  ).length;
  assert.ok(sentBack <= 2 * (bytes.length / 9) + 20, `${sentBack} frames for ${bytes.length} bytes`);
}

/** The bytes on the heap and beside it without garbage, whose buffers V8 frees a little later. */
async function memory(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  for (let count = 0; count < 3; count += 1) {
    collectGarbage();
    await setTimeout(5);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((what) => what === "TCPSocketWrap" || what === "Immediate")
    .length;
}

describe("Connection: any bytes", () => {
  it("ends each stream once, whatever it receives", async () => {
    const before = sockets();
    await fc.assert(
      fc.asyncProperty(
        input,
        fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 5 }),
        fc.array(act, { minLength: 1, maxLength: 8 }),
        fc.nat(9).map((one) => one > 0),
        runOnce,
      ),
      { numRuns: 400 },
    );
    await until(() => sockets() <= before);
  });

  it("uses no more memory for 50 MB of frames", async () => {
    await using peers = await ConnectionPeers.start();
    const exchanges = await peers.openAll(5);
    exchanges.forEach(({ data: chunks }) => (chunks.push = () => 0));
    const [paused, cancelled] = exchanges;
    paused!.stream.pause();
    cancelled!.stream.cancel();
    peers.deliver(Buffer.concat([1, 5, 7, 9].map((id) => headers(id, { ":status": "200" }))));
    const pieces = Array.from({ length: 8 }, (_, index) =>
      Buffer.concat([
        data(5, Buffer.alloc(16_384 - index)),
        data(7, "x"),
        ping(),
        windowUpdate(0, 1),
        frame(0xbe, 0, 9, Buffer.alloc(1000)),
        data(3, Buffer.alloc(5000)),
        blockFrames(3, block({ [`added-${index}`]: "x".repeat(500) }, 0x40)),
        data(9, Buffer.alloc(10_000)),
        windowUpdate(1, 1),
      ]),
    );
    const bytes = Buffer.concat(pieces);
    const before = await memory();
    let size = 7;
    for (let sent = 0; sent < 50_000_000; sent += bytes.length) {
      for (let at = 0; at < bytes.length; at += size) {
        size = ((size * 31) % 40_000) + 1;
        peers.deliver(bytes.subarray(at, at + size));
      }
      await peers.sync();
      // The server's record is not what is measured.
      peers.forget();
    }
    assert.equal(peers.connection.state, "ready");
    const grown = (await memory()) - before;
    assert.ok(grown < 3_000_000, `${grown} bytes`);
  });
});
