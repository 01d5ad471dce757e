import assert from "node:assert/strict";
import { decodeHuffman } from "../../../src/grpc/http2/huffman.ts";

/** Strings of RFC 7541 Appendix C.4 and C.6. */
const examples = {
  f1e3c2e5f23a6ba0ab90f4ff: "www.example.com",
  a8eb10649cbf: "no-cache",
  "25a849e95ba97d7f": "custom-key",
  "25a849e95bb8e8b4bf": "custom-value",
  "6402": "302",
  "640eff": "307",
  aec3771a4b: "private",
  d07abe941054d444a8200595040b8166e082a62d1bff: "Mon, 21 Oct 2013 20:13:21 GMT",
  "9d29ad171863c78f0b97c8e9ae82ae43d3": "https://www.example.com",
  "9bd9ab": "gzip",
  "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007":
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  "": "",
};

/**
 * The codes of control characters (RFC 7541 Appendix B), which node:http2 does not send: the first and last character of
 * those with consecutive codes, the first code and its length.
 */
const controlCodes = [
  [0x00, 0x00, 0x1ff8, 13],
  [0x01, 0x01, 0x7fffd8, 23],
  [0x02, 0x08, 0xfffffe2, 28],
  [0x09, 0x09, 0xffffea, 24],
  [0x0a, 0x0a, 0x3ffffffc, 30],
  [0x0b, 0x0c, 0xfffffe9, 28],
  [0x0d, 0x0d, 0x3ffffffd, 30],
  [0x0e, 0x15, 0xfffffeb, 28],
  [0x16, 0x16, 0x3ffffffe, 30],
  [0x17, 0x1f, 0xffffff3, 28],
  [0x7f, 0x7f, 0xffffffc, 28],
] as const;

const invalid = {
  EOS: "fffffffc",
  "EOS after a symbol": "1fffffffff",
  "padding of zeros": "18",
  "padding of eight bits": "ff",
  "padding of eight bits after a symbol": "07ff",
  "padding of eleven bits after a symbol": "1fff",
  "a code that is cut": "fe",
  "a long code that is cut": "ffffff",
};

function decode(hex: string): string | undefined {
  const bytes = Buffer.from(hex, "hex");
  return decodeHuffman(bytes, 0, bytes.length);
}

/** The bytes of a string of bits, with padding. */
function bytesOf(bits: string): string {
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from(padded.match(/.{8}/g)!.map((byte) => parseInt(byte, 2))).toString("hex");
}

describe("decodeHuffman", () => {
  for (const [hex, text] of Object.entries(examples))
    it(`decodes ${JSON.stringify(text)}`, () => assert.equal(decode(hex), text));

  it("decodes control characters", () => {
    for (const [first, last, code, length] of controlCodes)
      for (let character = first; character <= last; character++) {
        const bits = (code + character - first).toString(2).padStart(length, "0");
        assert.equal(decode(bytesOf(bits)), String.fromCharCode(character), `${character}`);
      }
  });

  it("accepts padding of up to seven bits", () => {
    // "a" has five bits, "0" to "2" too, so that one to eight symbols leave every number of bits.
    for (let count = 1; count <= 8; count++)
      assert.equal(decode(bytesOf("00011".repeat(count))), "a".repeat(count));
  });

  for (const [name, hex] of Object.entries(invalid))
    it(`returns undefined for ${name}`, () => assert.equal(decode(hex), undefined));

  it("reads only the bytes from start to end", () => {
    assert.equal(decodeHuffman(Buffer.from("ff6402ff", "hex"), 1, 3), "302");
  });

  it("decodes strings of any length into strings of their own", () => {
    const short = decode("6402");
    const long = decode("18c6318c63".repeat(1000));
    assert.equal(decode("640eff"), "307");
    assert.equal(short, "302");
    assert.equal(long, "a".repeat(8000));
  });
});
