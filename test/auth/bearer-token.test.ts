import assert from "node:assert/strict";
import { bearerTokenFrom } from "../../src/auth/bearer-token.ts";

describe("bearerTokenFrom", () => {
  for (const [header, token] of [
    ["Bearer abc", "abc"],
    ["bearer abc", "abc"],
    ["BEARER   abc", "abc"],
    ["Bearer !~:/+=,;'\"", "!~:/+=,;'\""],
    ["Bearer Bearer", "Bearer"],
  ] as const)
    it(`reads ${header}`, () => assert.equal(bearerTokenFrom(header), token));

  for (const header of [
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "abc",
    "Basic abc",
    "Bearerabc",
    " Bearer abc",
    "Bearer abc ",
    "Bearer a b",
    "Bearer a, Bearer b",
    "Bearer\tabc",
    "Bearer abc\n",
    "Bearer ä",
    "Bearer a\u0000",
    "Token: Bearer abc",
  ])
    it(`finds no token in ${JSON.stringify(header)}`, () => assert.equal(bearerTokenFrom(header), undefined));
});
