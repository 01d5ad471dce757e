import assert from "node:assert/strict";
import { returnUrlViolations } from "../../src/billing/return-url.ts";

const ok = "https://app.example/billing?paid={CHECKOUT_SESSION_ID}#done";

describe("returnUrlViolations", () => {
  for (const [what, url, origins, message] of [
    ["any origin", ok, undefined, undefined],
    ["an allowed origin", ok, ["https://other.example", "https://app.example"], undefined],
    [
      "another origin",
      "https://evil.example/",
      ["https://app.example"],
      "must have one of these origins: https://app.example",
    ],
    ["a port that is not allowed", "https://app.example:8443/", ["https://app.example"], /origins/],
    [
      "an origin that begins with an allowed one",
      "https://app.example.evil.example/",
      ["https://app.example"],
      /origins/,
    ],
    ["the origin in another case", "HTTPS://APP.example/", ["https://app.example"], undefined],
    [
      "an allowed origin as the user",
      "https://app.example@evil.example/",
      undefined,
      "must not have a user or a password",
    ],
    ["a password", "https://:x@evil.example/", undefined, "must not have a user or a password"],
    ["no URL", "https://", undefined, "must be a URL"],
    ["an impossible port", "https://app.example:99999/", undefined, "must be a URL"],
  ] as const)
    it(`${message === undefined ? "accepts" : "rejects"} ${what}`, () => {
      const violations = returnUrlViolations({ success_url: url, cancel_url: ok }, origins);
      if (message === undefined) return assert.deepEqual(violations, []);
      assert.equal(violations[0]?.path, "/body/success_url");
      const found = violations[0].message;
      assert.ok(typeof message === "string" ? found === message : message.test(found), found);
    });

  it("reports both URLs", () => {
    const urls = { success_url: "https://a.example", cancel_url: "https://b.example" };
    const paths = returnUrlViolations(urls, ["https://c.example"]).map(({ path }) => path);
    assert.deepEqual(paths, ["/body/success_url", "/body/cancel_url"]);
  });
});
