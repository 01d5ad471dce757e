import assert from "node:assert/strict";
import fc from "fast-check";
import { CompressionError, HpackDecoder } from "../../../src/grpc/http2/hpack-decoder.ts";
import { HpackPeers } from "./hpack-peers.ts";

const unlimited = 2 ** 30;

/** The first block of each test that uses the table size of RFC 7541 Appendix C.5 and C.6. */
const sizeOf256 = "3fe101";

/** RFC 7541 Appendix C.3 and C.4: the fields of requests; their pseudo-headers are malformed in a response. */
const requests = {
  "C.3": [
    "828684410f7777772e6578616d706c652e636f6d",
    "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
  ],
  "C.4": [
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
  ],
};

/** RFC 7541 Appendix C.5 and C.6: responses to a table of 256 bytes. */
const responses = {
  "C.5": [
    "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
    "4803333037c1c0bf",
    "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
  ],
  "C.6": [
    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
    "4883640effc1c0bf",
    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
  ],
};

function block(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

/** A literal with plain strings; by default it is not added to the table. */
function literal(name: string, value: string, flags = 0): Buffer {
  return Buffer.concat([Buffer.of(flags), plain(name), plain(value)]);
}

function added(name: string, value: string): Buffer {
  return literal(name, value, 0x40);
}

function plain(text: string): Buffer {
  const { length } = text;
  const prefix = length < 127 ? [length] : [127, ((length - 127) & 127) | 128, (length - 127) >> 7];
  return Buffer.concat([Buffer.from(prefix), Buffer.from(text, "latin1")]);
}

/** Decodes blocks with one decoder and returns the last. */
function decode(decoder: HpackDecoder, ...blocks: (Buffer | string)[]) {
  const decoded = blocks.map((one) => {
    const bytes = typeof one === "string" ? block(one) : one;
    return decoder.decode(bytes, 0, bytes.length);
  });
  const { status, fields, violation } = decoded.at(-1)!;
  return { status, fields: { ...fields }, violation };
}

function decodeOnce(...blocks: (Buffer | string)[]) {
  return decode(new HpackDecoder(unlimited), ...blocks);
}

/** The fields of the block that ends at `end`, or the message of the error. */
function outcome(bytes: Buffer, end: number) {
  try {
    return { ...new HpackDecoder(unlimited).decode(bytes, 0, end).fields };
  } catch (error) {
    return (error as Error).message;
  }
}

function assertCompressionError(act: () => void, message: RegExp): void {
  assert.throws(act, (error) => {
    assert.ok(error instanceof CompressionError);
    assert.equal(error.name, "CompressionError");
    assert.match(error.message, message);
    return true;
  });
}

const malformed: Record<string, { fields: (Buffer | string)[]; message: string }> = {
  "an upper-case name": { fields: [literal("Grpc-Status", "0")], message: 'invalid name: "Grpc-Status"' },
  "an empty name": { fields: [literal("", "0")], message: 'invalid name: ""' },
  "a name with a space": { fields: [literal("a b", "0")], message: 'invalid name: "a b"' },
  "a name with a colon": { fields: [literal("a:b", "0")], message: 'invalid name: "a:b"' },
  "a name that is not ASCII": { fields: [literal("\xe9", "0")], message: 'invalid name: "\xe9"' },
  "a long invalid name": {
    fields: [literal("A".repeat(1000), "0")],
    message: `invalid name: "${"A".repeat(64)}"`,
  },
  "a value with NUL": { fields: [literal("a", "b\0c")], message: 'invalid value: "a"' },
  "a value with CR": { fields: [literal("a", "b\rc")], message: 'invalid value: "a"' },
  "a value with LF": { fields: [literal("a", "b\n")], message: 'invalid value: "a"' },
  "a value that starts with a space": { fields: [literal("a", " b")], message: 'invalid value: "a"' },
  "a value that ends with a tab": { fields: [literal("a", "b\t")], message: 'invalid value: "a"' },
  "an invalid value in the table": { fields: [added("a", "\n")], message: 'invalid value: "a"' },
  "the field connection": {
    fields: [literal("connection", "close")],
    message: 'connection-specific: "connection"',
  },
  "the field transfer-encoding of the static table": {
    fields: ["b9"],
    message: 'connection-specific: "transfer-encoding"',
  },
  "the field te with another value than trailers": {
    fields: [literal("te", "gzip")],
    message: 'connection-specific: "te"',
  },
  "a request's pseudo-header": { fields: ["83"], message: 'unknown pseudo-header: ":method"' },
  "an unknown pseudo-header": { fields: [literal(":a", "b")], message: 'unknown pseudo-header: ":a"' },
  "a repeated :status": { fields: ["8888"], message: 'repeated pseudo-header: ":status"' },
  ":status after a field": {
    fields: [literal("a", "b"), "88"],
    message: 'pseudo-header after fields: ":status"',
  },
  "a :status of two digits": { fields: ["08 02 3230"], message: 'invalid status: ":status"' },
  "a :status of four digits": { fields: ["08 04 32303030"], message: 'invalid status: ":status"' },
  "a :status below 100": { fields: ["08 03 303939"], message: 'invalid status: ":status"' },
  "a :status that is not a number": { fields: ["08 03 32302b"], message: 'invalid status: ":status"' },
};

const undecodable: Record<string, { hex: string; message: RegExp }> = {
  "index 0": { hex: "80", message: /no entry with index 0/ },
  "an index of an empty table": { hex: "be", message: /no entry with index 62/ },
  "an index above the table": { hex: "40016101 62 bf", message: /no entry with index 63/ },
  "the name of an unknown index": { hex: "7e 0161", message: /no entry with index 62/ },
  "an integer that is cut": { hex: "ff", message: /ends within a field/ },
  "an integer of five bytes": { hex: "ff8080808000", message: /integer is too large/ },
  "a large integer": { hex: "ffffffffffff", message: /integer is too large/ },
  "a name that is missing": { hex: "40", message: /ends within a field/ },
  "a name that is cut": { hex: "400261", message: /ends within a string/ },
  "a value that is missing": { hex: "400161", message: /ends within a field/ },
  "a value that is cut": { hex: "40016102 62", message: /ends within a string/ },
  "a value of almost 2^28 bytes": { hex: "4001617fffffff7f", message: /ends within a string/ },
  "EOS in a string": { hex: "400161 84 fffffffc", message: /Huffman/ },
  "wrong padding of a string": { hex: "400161 81 18", message: /Huffman/ },
  "a table size above 4096": { hex: "3fe21f", message: /table size 4097/ },
  "a table size update after a field": { hex: "8820", message: /size update follows a field/ },
};

describe("HpackDecoder", () => {
  for (const [name, blocks] of Object.entries(requests))
    it(`decodes RFC 7541 Appendix ${name}, whose pseudo-headers are not those of a response`, () => {
      const { fields, status, violation } = decodeOnce(...blocks);
      assert.deepEqual({ fields, status }, { fields: { "custom-key": "custom-value" }, status: undefined });
      assert.deepEqual(violation, { kind: "malformed", message: 'unknown pseudo-header: ":method"' });
      const entries = decodeOnce(...blocks, "bebf");
      assert.deepEqual(entries.fields, { "custom-key": "custom-value", "cache-control": "no-cache" });
      assertCompressionError(() => decodeOnce(...blocks, "c1"), /index 65/);
    });

  for (const [name, [first, second, third]] of Object.entries(responses))
    it(`decodes RFC 7541 Appendix ${name}`, () => {
      const decoder = new HpackDecoder(unlimited);
      const fields = {
        "cache-control": "private",
        date: "Mon, 21 Oct 2013 20:13:21 GMT",
        location: "https://www.example.com",
      };
      const violation = undefined;
      assert.deepEqual(decode(decoder, sizeOf256 + first!), { status: 302, fields, violation });
      assert.deepEqual(decode(decoder, second!), { status: 307, fields, violation });
      const added = {
        date: "Mon, 21 Oct 2013 20:13:22 GMT",
        "content-encoding": "gzip",
        "set-cookie": "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
      };
      assert.deepEqual(decode(decoder, third!), { status: 200, fields: { ...fields, ...added }, violation });
      assert.deepEqual(decode(decoder, "bebfc0").fields, added);
      assertCompressionError(() => decode(decoder, "c1"), /index 65/);
    });

  it("decodes literals with and without indexing, and those never indexed", () => {
    // RFC 7541 Appendix C.2.1 and C.2.3.
    const decoder = new HpackDecoder(unlimited);
    const customKey = "400a637573746f6d2d6b65790d637573746f6d2d686561646572";
    assert.deepEqual(decode(decoder, customKey).fields, { "custom-key": "custom-header" });
    const password = "100870617373776f726406736563726574";
    assert.deepEqual(decode(decoder, password).fields, { password: "secret" });
    assert.deepEqual(decode(decoder, literal("a", "b"), "be").fields, { "custom-key": "custom-header" });
    assertCompressionError(() => decode(decoder, "bf"), /index 63/);
  });

  it("decodes an empty block", () => {
    assert.deepEqual(decodeOnce(""), { status: undefined, fields: {}, violation: undefined });
  });

  it("reads only the bytes from start to end", () => {
    const bytes = block("88 88 0003612d620130 88");
    const { status, fields } = new HpackDecoder(unlimited).decode(bytes, 1, 9);
    assert.deepEqual({ status, fields: { ...fields } }, { status: 200, fields: { "a-b": "0" } });
    assertCompressionError(() => new HpackDecoder(unlimited).decode(bytes, 2, 8), /ends within a string/);
  });

  it("reads nothing after the end of a block that is cut", () => {
    const bytes = block(responses["C.6"][0]!);
    let errors = 0;
    for (let end = 0; end < bytes.length; end++) {
      const decoded = outcome(bytes, end);
      assert.deepEqual(decoded, outcome(Buffer.from(bytes.subarray(0, end)), end), `${end}`);
      if (typeof decoded === "string") errors += 1;
    }
    // All but the ends of four fields.
    assert.equal(errors, bytes.length - 4);
  });

  it("joins the values of equal names", () => {
    const { fields } = decodeOnce(
      literal("a", "1"),
      Buffer.concat(["1", "", "3"].map((it) => literal("a", it))),
    );
    assert.deepEqual(fields, { a: "1, , 3" });
  });

  it("has names that are properties of other objects", () => {
    const names = ["__proto__", "constructor", "tostring"];
    const bytes = Buffer.concat(names.map((name) => literal(name, name)));
    const { fields } = new HpackDecoder(unlimited).decode(bytes, 0, bytes.length);
    assert.equal(Object.getPrototypeOf(fields), null);
    assert.deepEqual(Object.keys(fields), names);
    assert.equal(fields["__proto__"], "__proto__");
  });

  it("keeps values that are not ASCII as Latin-1, and te with the value trailers", () => {
    const { fields, violation } = decodeOnce(
      Buffer.concat([literal("a", "\xff\x80 \x01"), literal("te", "trailers")]),
    );
    assert.deepEqual(
      { fields, violation },
      { fields: { a: "\xff\x80 \x01", te: "trailers" }, violation: undefined },
    );
  });

  for (const [name, { fields, message }] of Object.entries(malformed))
    it(`reports ${name}, and decodes the rest`, () => {
      const bytes = Buffer.concat(
        [...fields, added("x", "y")].map((it) => (typeof it === "string" ? block(it) : it)),
      );
      const decoder = new HpackDecoder(unlimited);
      // A violation is reported each time.
      for (let time = 1; time <= 2; time++)
        assert.deepEqual(decode(decoder, bytes).violation, { kind: "malformed", message });
      assert.deepEqual(decode(decoder, "be"), {
        status: undefined,
        fields: { x: "y" },
        violation: undefined,
      });
    });

  it("reports an invalid entry of the table in each block that has it", () => {
    const decoder = new HpackDecoder(unlimited);
    decode(decoder, added("A", "b"));
    for (let time = 1; time <= 2; time++)
      assert.deepEqual(decode(decoder, "88be"), {
        status: 200,
        fields: {},
        violation: { kind: "malformed", message: 'invalid name: "A"' },
      });
  });

  for (const [name, { hex, message }] of Object.entries(undecodable))
    it(`throws a CompressionError for ${name}`, () => {
      assertCompressionError(() => decodeOnce(hex), message);
    });

  it("accepts an integer with four bytes after the prefix", () => {
    assert.deepEqual(decodeOnce("0f 80808000 00").fields, { "accept-charset": "" });
  });

  describe("table", () => {
    it("evicts the oldest entries until a new one fits", () => {
      const decoder = new HpackDecoder(unlimited);
      // 128 entries of 32 bytes; an empty name is malformed, which does not matter here.
      const full = Buffer.concat(Array.from({ length: 128 }, () => added("", "")));
      decode(decoder, full, "ff3e");
      assertCompressionError(() => decode(decoder, "ff3f"), /index 190/);
      const next = new HpackDecoder(unlimited);
      // One byte more than the table is full: three of the oldest must leave for 65 bytes.
      decode(next, full, added("a", "b".repeat(32)));
      assert.deepEqual(decode(next, "be").fields, { a: "b".repeat(32) });
      decode(next, "ff3c");
      assertCompressionError(() => decode(next, "ff3d"), /index 188/);
    });

    it("keeps an entry of exactly its size, and is empty after a larger one", () => {
      const exact = added("a", "b".repeat(4096 - 33));
      assert.equal(decodeOnce(added("x", "y"), exact, "be").fields["a"]?.length, 4063);
      assertCompressionError(() => decodeOnce(added("x", "y"), exact, "bf"), /index 63/);
      const larger = added("a", "b".repeat(4096 - 32));
      assert.equal(decodeOnce(larger).fields["a"]?.length, 4064);
      assertCompressionError(() => decodeOnce(added("x", "y"), larger, "be"), /index 62/);
    });

    it("adds a field that has the name of an entry that it evicts", () => {
      const decoder = new HpackDecoder(unlimited);
      decode(decoder, added("name", "b".repeat(4000)));
      // Index 62 is evicted, its name stays (RFC 7541 §4.4).
      assert.deepEqual(decode(decoder, block(`7e 03 ${Buffer.from("new").toString("hex")}`)).fields, {
        name: "new",
      });
      assert.deepEqual(decode(decoder, "be").fields, { name: "new" });
      const large = Buffer.concat([block("7e"), plain("c".repeat(4060))]);
      assert.equal(decode(decoder, large).fields["name"]?.length, 4060);
      assert.equal(decode(decoder, "be").fields["name"]?.length, 4060);
    });

    it("follows size updates at the start of a block", () => {
      const decoder = new HpackDecoder(unlimited);
      const entries = Buffer.concat(["a", "b", "c"].map((name) => added(name, "")));
      decode(decoder, entries);
      // 66 bytes are enough for two entries of 33.
      assert.deepEqual(decode(decoder, "3f23 be bf").fields, { c: "", b: "" });
      assertCompressionError(() => decode(decoder, "c0"), /index 64/);
    });

    it("is empty after a size of 0, and has all its room again after two updates", () => {
      const decoder = new HpackDecoder(unlimited);
      decode(decoder, added("a", "1"));
      const two = Buffer.concat([block("20 3fe11f"), added("b", "2")]);
      assert.deepEqual(decode(decoder, two, "be").fields, { b: "2" });
      assertCompressionError(() => decode(decoder, "bf"), /index 63/);
      const none = new HpackDecoder(unlimited);
      assertCompressionError(
        () => decode(none, Buffer.concat([block("20"), added("b", "2"), block("be")])),
        /index 62/,
      );
    });
  });

  describe("limit", () => {
    /** A list of 33 + 34 bytes. */
    const bytes = Buffer.concat([literal("a", ""), added("b", "c")]);
    const violation = { kind: "too-large", message: "the header list is larger than 66 bytes" };

    it("accepts a list of exactly the limit", () => {
      assert.equal(decode(new HpackDecoder(67), bytes).violation, undefined);
    });

    it("reports a larger list, stores no more of it, and decodes the rest", () => {
      const decoder = new HpackDecoder(66);
      for (let time = 1; time <= 2; time++)
        assert.deepEqual(decode(decoder, bytes), { status: undefined, fields: { a: "" }, violation });
      assert.deepEqual(decode(decoder, "be").fields, { b: "c" });
    });

    it("reports the first violation", () => {
      const decoder = new HpackDecoder(66);
      const after = Buffer.concat([bytes, literal("A", "")]);
      assert.deepEqual(decode(decoder, after).violation, violation);
      const before = Buffer.concat([literal("A", ""), bytes]);
      assert.equal(decode(decoder, before).violation?.kind, "malformed");
    });

    it("stores nothing for 128 KiB of references to an entry of 4 KiB", () => {
      const decoder = new HpackDecoder(16_384);
      decode(decoder, added("a", "b".repeat(4000)));
      const references = Buffer.alloc(131_072, 0xbe);
      const before = process.memoryUsage().heapUsed;
      const { fields, violation: found } = decode(decoder, references);
      // Without the limit the value would have 524 MB.
      assert.equal(fields["a"]?.length, 4 * 4000 + 3 * 2);
      assert.equal(found?.kind, "too-large");
      assert.ok(process.memoryUsage().heapUsed - before < 4_000_000);
    });
  });

  describe("remembered blocks", () => {
    const indexed = block("88be");

    function decoderWithEntry() {
      const decoder = new HpackDecoder(unlimited);
      decode(decoder, added("a", "1"));
      return decoder;
    }

    it("are the same object for the same bytes", () => {
      const decoder = decoderWithEntry();
      const first = decoder.decode(indexed, 0, 2);
      assert.equal(decoder.decode(Buffer.from(indexed), 0, 2), first);
      assert.notEqual(decoder.decode(indexed, 0, 1), first);
    });

    it("do not depend on the bytes after decoding", () => {
      const decoder = decoderWithEntry();
      const bytes = Buffer.concat([indexed, literal("b", "2")]);
      const copy = Buffer.from(bytes);
      const first = decoder.decode(bytes, 0, bytes.length);
      bytes.fill(0);
      assert.deepEqual({ ...first.fields }, { a: "1", b: "2" });
      assert.equal(decoder.decode(copy, 0, copy.length), first);
    });

    it("are forgotten once the table changes", () => {
      const decoder = decoderWithEntry();
      assert.deepEqual(decode(decoder, indexed).fields, { a: "1" });
      assert.deepEqual(decode(decoder, added("b", "2"), indexed).fields, { b: "2" });
      assert.equal(decoder.decode(indexed, 0, 2), decoder.decode(indexed, 0, 2));
      decode(decoder, "20");
      assertCompressionError(() => decode(decoder, indexed), /index 62/);
    });

    it("are at most eight of at most 256 bytes each", () => {
      const decoder = decoderWithEntry();
      const blocks = Array.from({ length: 9 }, (_, number) => literal("b", `${number}`));
      const decoded = blocks.map((bytes) => decoder.decode(bytes, 0, bytes.length));
      const [first, ...rest] = blocks;
      for (const [index, bytes] of rest.entries())
        assert.equal(decoder.decode(bytes, 0, bytes.length), decoded[index + 1]);
      assert.notEqual(decoder.decode(first!, 0, first!.length), decoded[0]);
      const exact = literal("b", "x".repeat(250));
      assert.equal(exact.length, 256);
      assert.equal(decoder.decode(exact, 0, 256), decoder.decode(exact, 0, 256));
      const longer = literal("b", "x".repeat(251));
      assert.notEqual(decoder.decode(longer, 0, 257), decoder.decode(longer, 0, 257));
    });

    it("are not those with many references to a large entry", () => {
      const decoder = new HpackDecoder(unlimited);
      decode(decoder, added("a", "b".repeat(2048)));
      const twice = block("bebe");
      assert.notEqual(decoder.decode(twice, 0, 2), decoder.decode(twice, 0, 2));
    });
  });

  it("returns a block or throws a CompressionError for any bytes", () => {
    const examples = [...responses["C.5"], ...responses["C.6"], ...requests["C.4"]].map(block);
    const changed = fc
      .tuple(
        fc.constantFrom(...examples),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
        fc.nat(),
      )
      .map(([example, changes, cut]) => {
        const bytes = Buffer.from(example);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return bytes.subarray(0, cut % 2 === 0 ? bytes.length : cut % (bytes.length + 1));
      });
    const anyBytes = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(fc.oneof(anyBytes, changed), { maxLength: 6 }), (blocks) => {
        const decoder = new HpackDecoder(500);
        try {
          for (const bytes of blocks) {
            const { status, fields, violation } = decoder.decode(bytes, 0, bytes.length);
            assert.ok(status === undefined || (status >= 100 && status <= 999));
            assert.ok(Object.entries(fields).join("").length <= 500);
            assert.notEqual(violation?.message, "");
          }
        } catch (error) {
          assert.ok(error instanceof CompressionError, String(error));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("decodes the Huffman code of each byte that node:http2 sends", async () => {
    await using peers = await HpackPeers.start();
    for (let byte = 0x21; byte <= 0xff; byte++) {
      if (byte === 0x7f) continue;
      const value = String.fromCharCode(byte);
      // Long enough that the Huffman code is shorter.
      const etag = `${"a".repeat(30)}${value}b`;
      const { blocks } = await peers.exchange("/", {}, { status: 200, headers: { etag }, trailers: {} });
      assert.equal(blocks[0]?.fields["etag"], etag, `${byte}`);
    }
  });

  it("decodes what node:http2 encodes", async () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,30}$/).map((text) => `x-${text}`);
    const value = fc
      .array(fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff })), {
        maxLength: 60,
      })
      .map((codes) => String.fromCharCode(...codes).trim())
      // `trim` removes a no-break space too, which is allowed.
      .map((text) => text.replaceAll("\xa0", ""));
    const fields = fc.dictionary(fc.oneof(name, fc.constantFrom("grpc-status", "etag", "server")), value, {
      maxKeys: 12,
    });
    // Those with a body, and so with trailers.
    const statuses = fc.constantFrom(200, 206, 299, 400, 404, 500, 599);
    const exchanges = fc.array(fc.tuple(statuses, fields, fields), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(exchanges, async (responsesToSend) => {
        await using peers = await HpackPeers.start();
        for (const [status, headers, trailers] of responsesToSend) {
          const { blocks } = await peers.exchange(
            "/",
            {},
            {
              status,
              headers: { ...headers, date: "today" },
              trailers: { ...trailers, "grpc-status": "0" },
            },
          );
          const [first, last] = blocks;
          assert.deepEqual(
            { ...first, fields: { ...first?.fields } },
            { status, fields: { ...headers, date: "today" }, violation: undefined },
          );
          assert.deepEqual({ ...last?.fields }, { ...trailers, "grpc-status": "0" });
        }
      }),
      { numRuns: 40 },
    );
  });
});
