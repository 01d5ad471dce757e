import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { isObject } from "../../src/validation/json-object.ts";
import { patternMessages, violationsFromSchemaErrors } from "../../src/validation/schema-violations.ts";

const { document } = loadContract();
const messages = patternMessages(document);

describe("patternMessages", () => {
  it("maps Ajv's message for a pattern to the contract's own, at any depth", () => {
    const schemas = {
      a: [{ pattern: "^x$", "x-pattern-message": "must be x" }],
      b: { pattern: "^y$" },
      c: null,
    };
    assert.deepEqual([...patternMessages(schemas)], [['must match pattern "^x$"', "must be x"]]);
  });

  it("finds exactly one message for every pattern of the contract", () => {
    const found = new Map<string, Set<unknown>>();
    (function visit(value: unknown): void {
      if (Array.isArray(value)) return value.forEach(visit);
      if (!isObject(value)) return;
      if (typeof value.pattern === "string")
        found.set(value.pattern, (found.get(value.pattern) ?? new Set()).add(value["x-pattern-message"]));
      Object.values(value).forEach(visit);
    })(document);
    assert.ok(found.size > 0);
    for (const [pattern, own] of found) {
      assert.equal(own.size, 1, pattern);
      assert.equal(typeof [...own][0], "string", pattern);
    }
    assert.equal(messages.size, found.size);
  });

  for (const value of [undefined, null, 1, "pattern", []])
    it(`finds nothing in ${JSON.stringify(value)}`, () => assert.equal(patternMessages(value).size, 0));
});

describe("violationsFromSchemaErrors", () => {
  const cases = [
    [
      "required",
      "/body",
      "must have required property 'name'",
      { missingProperty: "name" },
      "/body/name",
      "is required",
    ],
    [
      "additionalProperties",
      "/body",
      "must NOT have additional properties",
      { additionalProperty: "x" },
      "/body/x",
      "is not a property of this object",
    ],
    [
      "additionalProperties",
      "/body/steps/0",
      "must NOT have additional properties",
      { additionalProperty: "dependsOn", knownProperties: ["id", "tool", "depends_on"] },
      "/body/steps/0/dependsOn",
      "is not a property of this object; did you mean depends_on?",
    ],
    [
      "additionalProperties",
      "/body/steps/0",
      "must NOT have additional properties",
      { additionalProperty: "x", knownProperties: ["id", "tool", "depends_on"] },
      "/body/steps/0/x",
      "is not a property of this object; known properties: id, tool, depends_on",
    ],
    [
      "unevaluatedProperties",
      "/body",
      "must NOT have unevaluated properties",
      { unevaluatedProperty: "x" },
      "/body/x",
      "must not have unevaluated properties",
    ],
    [
      "enum",
      "/query/state",
      "must be equal to one of the allowed values",
      { allowedValues: ["A", "B"] },
      "/query/state",
      "must be one of A, B",
    ],
    [
      "enum",
      "/body/steps/0/tool",
      "must be equal to one of the allowed values",
      { allowedValues: ["rfdiffusion", "af2"] },
      "/body/steps/0/tool",
      "must be one of rfdiffusion, af2; did you mean rfdiffusion?",
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
    [
      "uniqueItems",
      "/body/depends_on",
      "must NOT have duplicate items (items ## 0 and 2 are identical)",
      {},
      "/body/depends_on",
      "must not repeat an item (items 0 and 2 are equal)",
    ],
    [
      "maxItems",
      "/body/steps",
      "must NOT have more than 256 items",
      {},
      "/body/steps",
      "must not have more than 256 items",
    ],
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
    [
      "minLength",
      "/body/labels",
      "must NOT have fewer than 1 characters",
      { isKey: true },
      "/body/labels",
      "has a key that must not be empty",
    ],
    ["pattern", "/body/labels", 'must match pattern "^x$"', { isKey: true }, "/body/labels", "must be an x"],
    ["false schema", "/body/x", undefined, {}, "/body/x", "is not allowed"],
  ] as const;
  const parts = { query: { state: "S" }, body: { steps: [{ tool: "rfdifusion" }] } };
  const ownMessages = new Map([['must match pattern "^x$"', "must be an x"]]);

  for (const [keyword, instancePath, message, params, path, expected = message] of cases)
    it(`words an error of ${keyword} for a client: ${expected}`, () => {
      const error = { keyword, instancePath, params, ...(message === undefined ? {} : { message }) };
      assert.deepEqual(violationsFromSchemaErrors([error], ownMessages, parts), [
        { path, message: expected },
      ]);
    });

  for (const [value, type, hint] of [
    ["10", "integer", "; leave out the quotes"],
    ["-10", "integer", "; leave out the quotes"],
    ["1.5", "integer", ""],
    ["0.1", "number", "; leave out the quotes"],
    ["ten", "number", ""],
    ["True", "boolean", "; leave out the quotes"],
    ["yes", "boolean", ""],
    ["a", "array", "; put it in brackets"],
    [{}, "array", ""],
    ["a", "object", ""],
    [1, "string", "; put it in quotes"],
    [false, "string", "; put it in quotes"],
    [[], "string", ""],
    [null, "string", ""],
    ["10", ["integer", "null"], ""],
  ] as const)
    it(`says of ${JSON.stringify(value)} instead of ${String(type)}: "${hint}"`, () => {
      const error = { keyword: "type", instancePath: "/body/x", params: { type }, message: "is wrong" };
      assert.deepEqual(violationsFromSchemaErrors([error], ownMessages, { body: { x: value } }), [
        { path: "/body/x", message: `is wrong${hint}` },
      ]);
    });

  it("says nothing of quotes outside the body", () => {
    const error = {
      keyword: "type",
      instancePath: "/query/x",
      params: { type: "integer" },
      message: "is wrong",
    };
    assert.deepEqual(violationsFromSchemaErrors([error], ownMessages, { query: { x: "1" } }), [
      { path: "/query/x", message: "is wrong" },
    ]);
  });

  it("leaves out the error of `if`, which only states that `then` has failed", () => {
    const error = { keyword: "if", instancePath: "", message: "x", params: {} };
    assert.deepEqual(violationsFromSchemaErrors([error], ownMessages, {}), []);
  });
});
