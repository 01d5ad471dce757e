import assert from "node:assert/strict";
import { isObject, keysOf } from "../../src/validation/json-object.ts";

describe("isObject", () => {
  for (const value of [{}, { a: 1 }, JSON.parse('{"__proto__":1}')])
    it(`accepts ${JSON.stringify(value)}`, () => assert.ok(isObject(value)));
  for (const value of [null, undefined, [], "a", 1, true])
    it(`rejects ${JSON.stringify(value)}`, () => assert.ok(!isObject(value)));
});

describe("keysOf", () => {
  for (const length of [0, 1, 1000, 1001, 20_000])
    it(`lists ${length} keys`, () => {
      const object = Object.fromEntries(Array.from({ length }, (_, index) => [`k${index}`, index]));
      assert.deepEqual(keysOf(object), Object.keys(object));
    });

  it("lists the keys of a large object only once", () => {
    let listings = 0;
    const object = new Proxy(Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [index, 1])), {
      ownKeys(target) {
        listings += 1;
        return Reflect.ownKeys(target);
      },
    });
    assert.equal(keysOf(object), keysOf(object));
    assert.equal(listings, 1);
  });
});
