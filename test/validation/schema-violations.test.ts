import assert from "node:assert/strict";
import { violationsFromSchema } from "../../src/validation/schema-violations.ts";

describe("faultsFromSchema", () => {
  const cases = [
    ["required", "/body", "must have required property 'name'", { missingProperty: "name" }, "/body/name"],
    [
      "additionalProperties",
      "/body",
      "must NOT have additional properties",
      { additionalProperty: "x" },
      "/body/x",
      "is not a property of this object",
    ],
    [
      "unevaluatedProperties",
      "/body",
      "must NOT have unevaluated properties",
      { unevaluatedProperty: "x" },
      "/body/x",
    ],
    [
      "enum",
      "/query/state",
      "must be equal to one of the allowed values",
      { allowedValues: ["A", "B"] },
      "/query/state",
      "must be equal to one of the allowed values: A, B",
    ],
    [
      "type",
      "/body/x",
      "must be string,null",
      { type: ["string", "null"] },
      "/body/x",
      "must be string or null",
    ],
    [
      "minLength",
      "/body/name",
      "must NOT have fewer than 1 characters",
      {},
      "/body/name",
      "must not be empty",
    ],
    ["minItems", "/body/steps", "must NOT have fewer than 1 items", {}, "/body/steps", "must not be empty"],
    ["type", "/query/x", "must be boolean", { type: "boolean" }, "/query/x", "must be true or false"],
    ["pattern", "/params/id", 'must match pattern "^x$"', { pattern: "^x$" }, "/params/id", "must be an x"],
    [
      "additionalProperties",
      "/body",
      "must NOT have additional properties",
      { additionalProperty: "a/b~c" },
      "/body/a~1b~0c",
      "is not a property of this object",
    ],
    ["maximum", "/query/n", "must be <= 1", { limit: 1 }, "/query/n"],
    ["false schema", "/body/x", undefined, {}, "/body/x", "is not allowed"],
  ] as const;
  const saysPattern = new Map([['must match pattern "^x$"', "must be an x"]]);

  for (const [keyword, instancePath, message, params, path, says = message] of cases)
    it(`tells a fault of ${keyword} in words`, () => {
      const fault = { keyword, instancePath, params, ...(message === undefined ? {} : { message }) };
      assert.deepEqual(violationsFromSchema([fault], saysPattern), [{ path, message: says }]);
    });

  it("leaves out what only says that there is another fault", () => {
    const echo = { keyword: "if", instancePath: "", message: "x", params: {} };
    assert.deepEqual(violationsFromSchema([echo], saysPattern), []);
  });
});
