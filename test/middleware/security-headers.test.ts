import assert from "node:assert/strict";
import { suite } from "../support/gateway.ts";
import { startStack } from "../support/stack.ts";

/** Those of a response without a page. Others that browsers know are for pages, or left to the proxy. */
const expected = {
  "content-security-policy": "default-src 'none';frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

describe("securityHeaders", () => {
  const stack = suite(() => startStack({ listWorkflows: () => ({}) }));

  for (const [about, path, init, status] of [
    ["a response", "/v1/workflows", {}, 200],
    ["a missing route", "/nowhere", {}, 404],
    ["a request without a token", "/v1/workflows", { token: null }, 401],
    ["another method", "/v1/healthz", { method: "DELETE" }, 405],
  ] as const)
    it(`sets these and no others for ${about}`, async () => {
      const { headers, status: actual } = await stack().gateway.fetch(path, init);
      assert.equal(actual, status);
      const own = [...headers].filter(([name]) => /polic|^x-(?!request-id)|^strict-|^origin-/.test(name));
      assert.deepEqual(Object.fromEntries(own), expected);
    });
});
