import assert from "node:assert/strict";
import fc from "fast-check";
import { HpackDecoder } from "../../../src/grpc/http2/hpack-decoder.ts";
import { HpackEncoder, checkHeaders } from "../../../src/grpc/http2/hpack-encoder.ts";
import { HpackPeers, fixedFields } from "./hpack-peers.ts";

type Fields = Readonly<Record<string, string>>;

function ascii(text: string): string {
  return Buffer.from(text).toString("hex");
}

/** Encodes a block after some other bytes and asserts that nothing else is written. */
function encode(encoder: HpackEncoder, path: string, headers: Fields = {}): Buffer {
  const start = 3;
  const room = encoder.maxLength(path, headers);
  const out = Buffer.alloc(start + room + 1, "?");
  const end = encoder.encode(out, start, path, headers);
  assert.ok(end <= start + room, `${end - start} > ${room}`);
  assert.equal(out.toString("latin1", 0, start), "???");
  assert.match(out.toString("latin1", end), /^\?+$/);
  return out.subarray(start, end);
}

/** The regular fields that the decoder decodes. Its violation is the `:path`, which no response has. */
function decode(decoder: HpackDecoder, bytes: Buffer): Fields {
  const { fields, violation } = decoder.decode(bytes, 0, bytes.length);
  assert.deepEqual(violation, { kind: "malformed", message: 'unknown pseudo-header: ":path"' });
  return { ...fields };
}

const regularFields = { "content-type": "application/grpc+proto", te: "trailers" };

/** The blocks of the path "/a" without other headers: the first, and once its fields are in the table. */
const firstBlock = `4402${ascii("/a")}8386410b${ascii("server.test")}5f16${ascii("application/grpc+proto")}4002${ascii("te")}08${ascii("trailers")}`;
const indexedBlock = "c18386c0bfbe";

const name = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,40}$/).map((text) => `x-${text}`);
const knownName = fc.constantFrom(
  "grpc-timeout",
  "traceparent",
  "user-agent",
  "content-encoding",
  "x-a",
  "x-b",
);
const value = fc.oneof(
  fc.string({ unit: "grapheme-ascii" }).map((text) => text.trim()),
  fc.string({ unit: "grapheme-ascii", minLength: 300, maxLength: 700 }).map((text) => text.trim()),
);
const headersOf = fc.dictionary(fc.oneof(name, knownName), value, { maxKeys: 6 });
const path = fc.oneof(
  fc.constantFrom("/a", "/b", "/foldforge.v1.Service/Method"),
  fc.stringMatching(/^\/[!-~]{0,100}$/),
);
const tableSize = fc.oneof(fc.nat(300), fc.nat(6000), fc.constantFrom(0, 4095, 4096, 4097, 2 ** 32 - 1));

/** What happens on a connection: the peer changes its table, or a request is sent. */
const events = fc.array(
  fc.oneof(
    { arbitrary: fc.record({ tableSize }), weight: 1 },
    { arbitrary: fc.record({ path, headers: headersOf }), weight: 4 },
  ),
  { minLength: 1, maxLength: 30 },
);

describe("HpackEncoder", () => {
  it("adds the path and the fixed fields to the table with the first block, then sends their indexes", () => {
    const encoder = new HpackEncoder(fixedFields);
    assert.equal(encode(encoder, "/a").toString("hex"), firstBlock);
    for (let time = 2; time <= 4; time++) assert.equal(encode(encoder, "/a").toString("hex"), indexedBlock);
  });

  it("adds each path once", () => {
    const encoder = new HpackEncoder(fixedFields);
    encode(encoder, "/a");
    assert.equal(encode(encoder, "/b").toString("hex"), `4402${ascii("/b")}8386c1c0bf`);
    for (let time = 2; time <= 4; time++) {
      assert.equal(encode(encoder, "/b").toString("hex"), "be8386c1c0bf");
      assert.equal(encode(encoder, "/a").toString("hex"), "c28386c1c0bf");
    }
  });

  it("adds the name of another header with its first value, then sends each value as a literal", () => {
    const encoder = new HpackEncoder(fixedFields);
    encode(encoder, "/a");
    encode(encoder, "/a");
    const first = encode(encoder, "/a", { "x-a": "1" });
    assert.equal(first.toString("hex"), `${indexedBlock}4003${ascii("x-a")}01${ascii("1")}`);
    for (const text of ["1", "2", ""]) {
      const next = encode(encoder, "/a", { "x-a": text }).toString("hex");
      assert.equal(next, `c28386c1c0bf0f2f0${text.length}${ascii(text)}`);
    }
  });

  it("takes the names of other headers from the static table", () => {
    const encoder = new HpackEncoder({});
    for (let time = 1; time <= 2; time++)
      assert.equal(encode(encoder, "/", { "user-agent": "a" }).toString("hex"), `840f2b01${ascii("a")}`);
  });

  it("encodes lengths above 126", () => {
    const encoder = new HpackEncoder({});
    const lengths = { 126: "7e", 127: "7f00", 254: "7f7f", 255: "7f8001", 20_000: "7fa19b01" };
    for (const [length, hex] of Object.entries(lengths)) {
      const text = "a".repeat(Number(length));
      const block = encode(encoder, "/", { via: text });
      assert.equal(block.toString("hex"), `840f2d${hex}${ascii(text)}`);
    }
  });

  it("does not add fields of more than 512 bytes", () => {
    const encoder = new HpackEncoder({});
    const [long, longer] = ["a".repeat(512 - 32 - 1), "a".repeat(512 - 32)];
    assert.equal(encode(encoder, "/", { x: longer })[1], 0x00);
    assert.equal(encode(encoder, "/", { x: long })[1], 0x40);
    assert.equal(encode(encoder, "/", { x: longer }).subarray(1, 3).toString("hex"), "0f2f");
  });

  it("evicts nothing: once the table is full, sends literals", () => {
    const encoder = new HpackEncoder(fixedFields);
    const decoder = new HpackDecoder(2 ** 20);
    const paths = Array.from({ length: 200 }, (_, number) => `/path/${number}`);
    const lengths = paths.map((it) => {
      const first = encode(encoder, it);
      assert.deepEqual(decode(decoder, first), regularFields);
      return first.length;
    });
    // The fixed fields have one byte each as long as indexes are below 127.
    const again = paths.map((it) => encode(encoder, it).length);
    assert.ok(again[0]! <= 12 && again[0]! < lengths[0]!);
    assert.equal(again.at(-1), lengths.at(-1));
    for (const it of paths)
      assert.deepEqual(decode(decoder, encode(encoder, it, { "x-a": it })), { ...regularFields, "x-a": it });
    assert.ok(encode(encoder, paths[0]!).length <= 12);
  });

  describe("setMaxTableSize", () => {
    const tests: { name: string; before?: number[]; after?: number[]; start: string; isEmpty: boolean }[] = [
      {
        name: "announces a smaller size before the first block",
        before: [1337],
        start: "203f9a0a",
        isEmpty: true,
      },
      { name: "announces the size 0 before the first block", before: [0], start: "20", isEmpty: true },
      { name: "announces nothing for the default", before: [4096], start: "", isEmpty: true },
      { name: "announces nothing for a larger size", after: [65_536], start: "", isEmpty: false },
      { name: "empties the table for a smaller size", after: [200], start: "203fa901", isEmpty: true },
      {
        name: "empties the table for a size that was smaller for a while",
        after: [100, 4096],
        start: "203fe11f",
        isEmpty: true,
      },
      {
        name: "announces only the last of several sizes besides 0",
        after: [3000, 100, 200, 300],
        start: "203f8d02",
        isEmpty: true,
      },
    ];
    for (const { name: title, before = [], after = [], start, isEmpty } of tests)
      it(title, () => {
        const encoder = new HpackEncoder(fixedFields);
        for (const size of before) encoder.setMaxTableSize(size);
        if (after.length > 0) encode(encoder, "/a");
        for (const size of after) encoder.setMaxTableSize(size);
        const first = encode(encoder, "/a").toString("hex");
        if (before.includes(0)) assert.match(first, new RegExp(`^${start}04`));
        else assert.equal(first, start + (isEmpty ? firstBlock : indexedBlock));
        const second = encode(encoder, "/a").toString("hex");
        assert.equal(second, before.includes(0) ? first.slice(2) : indexedBlock);
      });

    it("announces a larger size after a smaller one", () => {
      const encoder = new HpackEncoder(fixedFields);
      encoder.setMaxTableSize(0);
      encode(encoder, "/a");
      encoder.setMaxTableSize(65_536);
      assert.equal(encode(encoder, "/a").toString("hex"), `3fe11f${firstBlock}`);
      assert.equal(encode(encoder, "/a").toString("hex"), indexedBlock);
    });

    it("bounds the size of the table", () => {
      const encoder = new HpackEncoder({});
      encoder.setMaxTableSize(70);
      // 5 + 2 + 32 bytes, then 1 + 1 + 32.
      encode(encoder, "/a", { x: "1" });
      assert.equal(encode(encoder, "/a", { x: "1" }).toString("hex"), `be0001${ascii("x")}01${ascii("1")}`);
      encoder.setMaxTableSize(73);
      assert.equal(
        encode(encoder, "/a", { x: "1" }).toString("hex"),
        `3f2abe4001${ascii("x")}01${ascii("1")}`,
      );
    });
  });

  it("writes what HpackDecoder decodes", () => {
    fc.assert(
      fc.property(events, (all) => {
        const encoder = new HpackEncoder(fixedFields);
        const decoder = new HpackDecoder(2 ** 20);
        for (const event of all) {
          if ("tableSize" in event) encoder.setMaxTableSize(event.tableSize);
          else {
            checkHeaders(event.headers);
            const fields = decode(decoder, encode(encoder, event.path, event.headers));
            assert.deepEqual(fields, { ...regularFields, ...event.headers });
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("writes what node:http2 decodes", async () => {
    const response = { status: 200, headers: {}, trailers: {} };
    await fc.assert(
      fc.asyncProperty(events, async (all) => {
        await using peers = await HpackPeers.start();
        for (const event of all) {
          if ("tableSize" in event) await peers.setTableSize(event.tableSize);
          else {
            const { request } = await peers.exchange(event.path, event.headers, response);
            assert.deepEqual(Object.fromEntries(Object.entries(request)), {
              ...fixedFields,
              ":path": event.path,
              ...event.headers,
            });
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("checkHeaders", () => {
  const valid = { "x-a": "b", "x!#$%&'*+-.^_`|~9": "!~", empty: "", x: "a \t b" };

  it("accepts tokens, and values of visible ASCII, spaces and tabs", () => {
    checkHeaders(valid);
    checkHeaders({});
  });

  for (const invalid of ["", "A", "x a", ":path", "x:y", "x\n", "\xe9", "\u0161"])
    it(`throws a TypeError for the name ${JSON.stringify(invalid)}`, () => {
      assert.throws(() => checkHeaders({ ...valid, [invalid]: "a" }), {
        name: "TypeError",
        message: `the name of header ${JSON.stringify(invalid)} is invalid`,
      });
    });

  for (const invalid of [
    " a",
    "a ",
    "\ta",
    "a\t",
    " ",
    "a\0b",
    "a\rb",
    "a\n",
    "a\x1f",
    "\x7f",
    "\xe9",
    "\u0161",
    "\u{1f600}",
  ])
    it(`throws a TypeError for the value ${JSON.stringify(invalid)}`, () => {
      assert.throws(() => checkHeaders({ ...valid, "x-a": invalid }), {
        name: "TypeError",
        message: "the value of header x-a is invalid",
      });
    });
});
