import assert from "node:assert/strict";
import { floatToJson, fractionToJson, int64ToJson } from "../../src/mapping/numbers.ts";

describe("int64ToJson", () => {
  for (const text of [
    "0",
    "-1",
    "73421",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
  ])
    it(`writes ${text} without rounding`, () => {
      assert.equal(JSON.stringify({ size: int64ToJson(BigInt(text)) }), `{"size":${text}}`);
    });

  it("returns a plain number if it is exact", () => {
    assert.equal(typeof int64ToJson(2n ** 53n - 1n), "number");
  });
});

describe("floatToJson", () => {
  for (const value of [0, 0.1, 0.25, 0.3, 1 / 3, 0.7, 0.9999999, 1, 1e-7, 3.4e38, 1.1754944e-38, 1e-45])
    it(`rounds to the same float for ${value}`, () => {
      assert.equal(Math.fround(floatToJson(Math.fround(value))), Math.fround(value));
    });

  for (const value of [0.1, 0.3, 0.7, 0.123456, 0.05])
    it(`returns ${value} for its float`, () => assert.equal(floatToJson(Math.fround(value)), value));

  /** The number with the fewest digits, from six on, that rounds to the float. */
  function searched(float: number): number {
    const numbers = [6, 7, 8, 9].map((digits) => Number(float.toPrecision(digits)));
    return numbers.find((number) => Math.fround(number) === float) ?? NaN;
  }

  it("returns the shortest number that rounds to the float", () => {
    const view = new DataView(new ArrayBuffer(4));
    for (let bits = 0; bits < 0x7f800000; bits += 80_021) {
      view.setUint32(0, bits);
      assert.equal(floatToJson(view.getFloat32(0)), searched(view.getFloat32(0)));
    }
    for (let millionths = 0; millionths <= 1e6; millionths += 37) {
      const float = Math.fround(millionths / 1e6);
      assert.equal(floatToJson(float), searched(float));
    }
  });
});

describe("fractionToJson", () => {
  for (const [fraction, json] of [
    [NaN, 0],
    [-0, 0],
    [-0.5, 0],
    [Infinity, 1],
    [-Infinity, 0],
    [1.0000001, 1],
    [1e-45, 1e-45],
    [Math.fround(0.7), 0.7],
  ] as const)
    it(`returns ${json} for ${fraction}`, () => assert.equal(fractionToJson(fraction), json));
});
