import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { JsonObject } from "@bufbuild/protobuf";
import { StepSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { invalidRequest } from "../../src/errors/http-error.ts";
import { contentViolations } from "../../src/validation/content-violations.ts";

/** The violations of a body, each as `path message`. */
function violationsOf(body: unknown): string[] {
  return contentViolations(body).map(({ path, message }) => `${path} ${message}`);
}

/** The violations of a submission whose second step has these params. */
function violationsOfParams(params: unknown): string[] {
  return violationsOf({ name: "n", steps: [{ id: "a" }, { id: "b", params }] });
}

/** Params of this many levels: an object, and arrays or objects inside it. */
function nested(levels: number, inner: "array" | "object"): unknown {
  const [open, close, innermost] = inner === "array" ? ["[", "]", ""] : ['{"k":', "}", "0"];
  return JSON.parse(`{"top":${open.repeat(levels - 1)}${innermost}${close.repeat(levels - 1)}}`);
}

const at = "/body/steps/1/params";

describe("contentViolations", () => {
  for (const inner of ["array", "object"] as const) {
    it(`accepts params of 32 levels of ${inner}s, which protobuf can decode`, () => {
      const params = nested(32, inner);
      assert.deepEqual(violationsOfParams(params), []);
      const bytes = toBinary(StepSchema, create(StepSchema, { params: params as JsonObject }));
      assert.deepEqual(fromBinary(StepSchema, bytes).params, params);
    });

    it(`rejects params of 33 levels of ${inner}s, at the level that is too deep`, () => {
      const pointer = `${at}/top${(inner === "array" ? "/0" : "/k").repeat(31)}`;
      assert.deepEqual(violationsOfParams(nested(33, inner)), [
        `${pointer} must not be nested deeper than 32 levels within params`,
      ]);
    });

    it(`does not descend into 100,000 levels of ${inner}s`, () => {
      assert.equal(violationsOfParams(nested(100_000, inner)).length, 1);
    });
  }

  for (const text of ["1e400", "-1e400"])
    it(`rejects the number ${text}, which exceeds a double`, () => {
      assert.deepEqual(violationsOfParams(JSON.parse(`{"a":[1,${text}]}`)), [
        `${at}/a/1 must be within the range of a double`,
      ]);
    });

  for (const text of ["\ud800", "a\udfff", "\udc00\ud800"])
    it(`rejects the lone surrogate in ${JSON.stringify(text)}, in values and in keys`, () => {
      assert.deepEqual(violationsOf({ name: text, steps: [{ depends_on: [text] }] }), [
        "/body/name must be well-formed Unicode",
        "/body/steps/0/depends_on/0 must be well-formed Unicode",
      ]);
      assert.deepEqual(violationsOfParams({ a: { [text]: 1 } }), [
        `${at}/a must have keys of well-formed Unicode`,
      ]);
      assert.deepEqual(violationsOf({ labels: { [text]: "v" } }), [
        "/body/labels must have keys of well-formed Unicode",
      ]);
    });

  it("rejects __proto__ as a key, at any depth", () => {
    const body =
      '{"labels":{"__proto__":"x"},"steps":[{"params":{"__proto__":{"x":1},"a":[{"__proto__":1}]}}]}';
    assert.deepEqual(violationsOf(JSON.parse(body)), [
      "/body/labels/__proto__ is not allowed as a key",
      "/body/steps/0/params/__proto__ is not allowed as a key",
      "/body/steps/0/params/a/0/__proto__ is not allowed as a key",
    ]);
  });

  it("escapes keys in its pointers", () => {
    assert.deepEqual(violationsOfParams({ "a/b~c": "\ud800" }), [
      `${at}/a~1b~0c must be well-formed Unicode`,
    ]);
  });

  it("reports every violation of every step", () => {
    const bad = { a: Infinity, b: "\ud800" };
    const violations = contentViolations({ steps: [{ params: bad }, { params: {} }, { params: bad }] });
    assert.deepEqual(
      violations.map(({ path }) => path),
      [0, 2].flatMap((step) => [`/body/steps/${step}/params/a`, `/body/steps/${step}/params/b`]),
    );
  });

  for (const body of [
    undefined,
    null,
    1,
    "x",
    [],
    {},
    { steps: {}, labels: [] },
    { steps: [null, 1, "s", [], { params: "p" }] },
    { n: null, t: true, s: "🧬", d: 1.5e308, e: -0, list: [[], {}, ""], constructor: 1, "": 2 },
  ])
    it(`accepts ${JSON.stringify(body)}`, () => assert.deepEqual(violationsOf(body), []));

  it("reports few and short violations for 100,000 values below a huge key", () => {
    const params = { ["k".repeat(500_000)]: Array.from({ length: 100_000 }, () => Infinity) };
    const { violations } = invalidRequest(contentViolations({ steps: [{ params }] }));
    assert.equal(violations.length, 100);
    assert.ok(violations.every(({ path }) => path.length < 200));
  });
});
