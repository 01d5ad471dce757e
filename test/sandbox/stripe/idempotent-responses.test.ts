import assert from "node:assert/strict";
import { createIdempotentResponses, setBounded } from "../../../src/sandbox/stripe/idempotent-responses.ts";

describe("createIdempotentResponses", () => {
  it("responds anew without a key, and once with one", () => {
    const respondOnce = createIdempotentResponses();
    let responses = 0;
    const bodyOf = (key?: string) => respondOnce(key, { a: "1" }, () => ++responses).body;
    assert.deepEqual([bodyOf(), bodyOf(), bodyOf("k"), bodyOf("k"), bodyOf("l")], ["1", "2", "3", "3", "4"]);
  });
});

describe("setBounded", () => {
  it("keeps the newest entries", () => {
    const map = new Map<string, number>();
    for (const [index, key] of ["a", "b", "c", "d"].entries()) setBounded(map, key, index, 2);
    assert.deepEqual(
      [...map],
      [
        ["c", 2],
        ["d", 3],
      ],
    );
  });
});
