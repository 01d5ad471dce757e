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

  it("preserves every float", () => {
    const view = new DataView(new ArrayBuffer(4));
    for (let bits = 0x3f000000; bits < 0x3f800000; bits += 4099) {
      view.setUint32(0, bits);
      const float = view.getFloat32(0);
      assert.equal(Math.fround(floatToJson(float)), float);
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
