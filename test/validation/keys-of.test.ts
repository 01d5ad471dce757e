import assert from "node:assert/strict";
import { keysOf } from "../../src/validation/keys-of.ts";

describe("keysOf", () => {
  for (const length of [0, 1, 1000, 1001, 20_000])
    it(`lists ${length} keys`, () => {
      const object = Object.fromEntries(Array.from({ length }, (_, index) => [`k${index}`, index]));
      assert.deepEqual(keysOf(object), Object.keys(object));
    });

  it("lists the keys of a large object once", () => {
    let times = 0;
    const object = new Proxy(Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [index, 1])), {
      ownKeys(target) {
        times += 1;
        return Reflect.ownKeys(target);
      },
    });
    assert.equal(keysOf(object), keysOf(object));
    assert.equal(times, 1);
  });
});
