import assert from "node:assert/strict";
import { errorCode, frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";
import { data, frame, headers, reset, response, windowUpdate } from "./frames.ts";
import type { Fields } from "./frames.ts";
import { ConnectionPeers } from "./peers.ts";

const { protocolError, enhanceYourCalm } = errorCode;
const ok = { ":status": "200" };
const trailers = headers(1, { "grpc-status": "0" }, "ends");

function withLength(value: string): Fields {
  return { ":status": "200", "content-length": value };
}

/** Responses to stream 1 that are malformed (RFC 9113 §8.1, §8.2, §8.3): only their stream is reset. */
const malformed: readonly (readonly [title: string, ...bytes: Buffer[]])[] = [
  ["DATA before the headers", data(1, "x")],
  ["DATA that ends the stream before the headers", data(1, "x", "ends")],
  ["DATA after an interim response", headers(1, { ":status": "100" }), data(1, "x")],
  ["headers without :status", headers(1, { a: "b" })],
  ["empty headers", headers(1, {})],
  ["only trailers", trailers],
  ["the status 20", headers(1, { ":status": "20" })],
  ["the status 2000", headers(1, { ":status": "2000" })],
  ["the status 099", headers(1, { ":status": "099" })],
  ["the status +99", headers(1, { ":status": "+99" })],
  ["an empty status", headers(1, { ":status": "" })],
  [
    "two statuses",
    headers(1, [
      [":status", "200"],
      [":status", "200"],
    ]),
  ],
  ["a status after another field", headers(1, { a: "b", ":status": "200" })],
  ["the status 101", headers(1, { ":status": "101" })],
  ["an interim response that ends the stream", headers(1, { ":status": "100" }, "ends")],
  ["a pseudo-header of requests", headers(1, { ":status": "200", ":path": "/" })],
  ["an unknown pseudo-header", headers(1, { ":status": "200", ":protocol": "x" })],
  ["a name in upper case", headers(1, { ":status": "200", Name: "x" })],
  ["an empty name", headers(1, { ":status": "200", "": "x" })],
  ["a name with a space", headers(1, { ":status": "200", "a b": "x" })],
  ["a name with a colon", headers(1, { ":status": "200", "a:b": "x" })],
  ["a name beyond ASCII", headers(1, { ":status": "200", "\xe4": "x" })],
  ["a value with a line feed", headers(1, { ":status": "200", a: "b\nc" })],
  ["a value with a carriage return", headers(1, { ":status": "200", a: "b\rc" })],
  ["a value with NUL", headers(1, { ":status": "200", a: "b\0" })],
  ["a value that starts with a space", headers(1, { ":status": "200", a: " b" })],
  ["a value that ends with a tab", headers(1, { ":status": "200", a: "b\t" })],
  ["connection", headers(1, { ":status": "200", connection: "close" })],
  ["keep-alive", headers(1, { ":status": "200", "keep-alive": "x" })],
  ["proxy-connection", headers(1, { ":status": "200", "proxy-connection": "x" })],
  ["transfer-encoding", headers(1, { ":status": "200", "transfer-encoding": "chunked" })],
  ["upgrade", headers(1, { ":status": "200", upgrade: "h2c" })],
  ["te other than trailers", headers(1, { ":status": "200", te: "gzip" })],
  ["trailers that do not end the stream", headers(1, ok), headers(1, { a: "b" })],
  ["two responses", headers(1, ok), headers(1, ok)],
  ["trailers with :status", headers(1, ok), headers(1, { ":status": "200" }, "ends")],
  ["malformed trailers", headers(1, ok), headers(1, { A: "b" }, "ends")],
  ["an interim response after the headers", headers(1, ok), headers(1, { ":status": "100" })],
  ["a body longer than its content-length", headers(1, withLength("3")), data(1, "xxxx")],
  ["a body that is longer in its second frame", headers(1, withLength("3")), data(1, "xx"), data(1, "xx")],
  ["a body shorter than its content-length", headers(1, withLength("3")), data(1, "xx", "ends")],
  ["trailers before the content-length", headers(1, withLength("3")), data(1, "xx"), trailers],
  ["no body for a content-length", headers(1, withLength("1"), "ends")],
  ["a content-length of no number", headers(1, withLength("x"))],
  ["a negative content-length", headers(1, withLength("-1"))],
  ["a hexadecimal content-length", headers(1, withLength("0x4"))],
  ["an empty content-length", headers(1, withLength(""))],
  ["a content-length beyond all numbers", headers(1, withLength("9".repeat(30)))],
  [
    "two content-lengths",
    headers(1, [
      [":status", "200"],
      ["content-length", "4"],
      ["content-length", "4"],
    ]),
  ],
];

/** Responses to stream 1 with the body `body` that are unusual and allowed. */
const allowed: readonly (readonly [title: string, ...bytes: Buffer[]])[] = [
  [
    "interim responses",
    headers(1, { ":status": "100" }),
    headers(1, { ":status": "103", link: "x" }),
    response(1),
  ],
  ["its content-length", headers(1, withLength("4")), data(1, "body", "ends")],
  ["a content-length and trailers", headers(1, withLength("4")), data(1, "body"), trailers],
  [
    "a content-length in an interim response",
    headers(1, { ":status": "103", "content-length": "9" }),
    response(1),
  ],
  [
    "content-length in trailers",
    headers(1, ok),
    data(1, "body"),
    headers(1, { "content-length": "9" }, "ends"),
  ],
  [
    "padding within its content-length",
    headers(1, withLength("4")),
    frame(frameType.data, 9, 1, Buffer.from("\x02body\0\0")),
  ],
  ["an empty frame at the end", headers(1, ok), data(1, "body"), data(1, "", "ends")],
  ["empty frames within", headers(1, ok), data(1, ""), data(1, "body"), data(1, ""), trailers],
  ["empty trailers", headers(1, ok), data(1, "body"), headers(1, {}, "ends")],
  [
    "status 599, te: trailers and bytes beyond ASCII",
    headers(1, { ":status": "599", te: "trailers", a: "\xff" }),
    data(1, "body", "ends"),
  ],
];

describe("Connection: responses", () => {
  for (const [title, ...bytes] of malformed)
    it(`resets only the stream of a response with ${title}`, async () => {
      await using peers = await ConnectionPeers.start();
      const [one, other] = await peers.openAll(2);
      peers.send(...bytes);
      const end = await one!.end;
      // What the server sends before it receives the reset is ignored.
      peers.send(data(1, "ignored"), headers(1, ok), trailers);
      assert.deepEqual([end.kind, end.code], ["invalid", protocolError]);
      assert.ok(end.cause instanceof Error);
      assert.equal(await peers.resetCode(1), protocolError);
      await peers.assertWorks(other!);
      assert.equal(one!.ends.length, 1);
      assert.equal(peers.connection.size, 0);
    });

  for (const [title, ...bytes] of allowed)
    it(`reads a response with ${title}`, async () => {
      await using peers = await ConnectionPeers.start();
      const [one, other] = await peers.openAll(2);
      peers.send(...bytes);
      assert.deepEqual(await one!.end, { kind: "ended", code: 0 });
      assert.equal(Buffer.concat(one!.data).toString(), "body");
      assert.equal(one!.headers.length, 1);
      await peers.assertWorks(other!);
    });

  it("passes on status, fields, body and trailers, and the end with headers alone", async () => {
    await using peers = await ConnectionPeers.start();
    const [one, two] = await peers.openAll(2);
    peers.send(
      headers(1, [
        [":status", "404"],
        ["a", "1"],
        ["b", "2"],
        ["a", "3"],
      ]),
      data(1, "some"),
      data(1, " bytes"),
      headers(1, { c: "4" }, "ends"),
      headers(3, { ":status": "200", "grpc-status": "5" }, "ends"),
    );
    await Promise.all([one!.end, two!.end]);
    const read = (exchange: typeof one) => ({
      headers: exchange!.headers.map((each) => ({ ...each, fields: { ...each.fields } })),
      body: Buffer.concat(exchange!.data).toString(),
      trailers: exchange!.trailers.map((each) => ({ ...each })),
    });
    assert.deepEqual(read(one), {
      headers: [{ status: 404, fields: { a: "1, 3", b: "2" }, isEnd: false }],
      body: "some bytes",
      trailers: [{ c: "4" }],
    });
    assert.deepEqual(read(two), {
      headers: [{ status: 200, fields: { "grpc-status": "5" }, isEnd: true }],
      body: "",
      trailers: [],
    });
    assert.deepEqual(peers.events, [
      "settings Infinity",
      "response",
      "stream 1 ended 0",
      "response",
      "stream 3 ended 0",
    ]);
  });

  for (const [code, kind] of [
    [errorCode.refusedStream, "refused"],
    [errorCode.cancel, "reset"],
    [errorCode.noError, "reset"],
    [enhanceYourCalm, "reset"],
    [0xffffffff, "reset"],
  ] as const)
    it(`ends a stream as ${kind} by RST_STREAM with code ${code}, and sends none`, async () => {
      await using peers = await ConnectionPeers.start();
      const [one, other] = await peers.openAll(2);
      peers.send(reset(1, code));
      assert.deepEqual(await one!.end, { kind, code });
      await peers.assertWorks(other!);
      await peers.sync();
      assert.ok(peers.frames.every(({ type }) => type !== frameType.rstStream));
    });

  it("ends a stream as reset by REFUSED_STREAM after the headers", async () => {
    await using peers = await ConnectionPeers.start();
    const [one] = await peers.openAll(1);
    peers.send(headers(1, ok), reset(1, errorCode.refusedStream));
    assert.deepEqual(await one!.end, { kind: "reset", code: errorCode.refusedStream });
  });

  it("ends a stream by a response before its request was sent, and resets it with CANCEL", async () => {
    await using peers = await ConnectionPeers.start();
    const one = peers.open({ body: Buffer.alloc(100_000) });
    await peers.next(frameType.headers, 1);
    peers.send(response(1));
    assert.deepEqual(await one.end, { kind: "ended", code: 0 });
    assert.equal(await peers.resetCode(1), errorCode.cancel);
    assert.ok(
      peers.frames.every(({ type, flags }) => type !== frameType.data || (flags & frameFlag.endStream) === 0),
    );
    peers.send(windowUpdate(0, 1000));
    const [other] = await peers.openAll(1);
    await peers.assertWorks(other!);
  });
});
