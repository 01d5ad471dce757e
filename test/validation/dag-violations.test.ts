import assert from "node:assert/strict";
import { invalidRequest } from "../../src/errors/http-error.ts";
import { dagViolations } from "../../src/validation/dag-violations.ts";

/** A submission whose steps have these dependencies. */
function spec(...steps: [id: string, ...dependsOn: string[]][]) {
  return { steps: steps.map(([id, ...depends_on]) => ({ id, depends_on })) };
}

/** The violations, each as `path message`. */
function violationsOf(body: unknown): string[] {
  return dagViolations(body).map(({ path, message }) => `${path} ${message}`);
}

/** A chain in which each step depends on the one before, and the first on `first`. */
function chain(length: number, first: string[] = []) {
  return {
    steps: Array.from({ length }, (_, i) => ({ id: `s${i}`, depends_on: i === 0 ? first : [`s${i - 1}`] })),
  };
}

describe("dagViolations", () => {
  for (const [what, body] of [
    ["a single step", spec(["a"])],
    ["a chain in the wrong order", spec(["c", "b"], ["b", "a"], ["a"])],
    ["a diamond", spec(["a"], ["b", "a"], ["c", "a"], ["d", "b", "c"])],
    ["two disconnected parts", spec(["a"], ["b", "a"], ["x"], ["y", "x"])],
    ["a dependency that is listed twice", spec(["a"], ["b", "a", "a"])],
    [
      "ids that are names of Object.prototype",
      spec(["__proto__"], ["constructor", "__proto__"], ["toString"]),
    ],
    ["a chain of 256 steps", chain(256)],
    ["the same chain in reverse order", { steps: chain(256).steps.reverse() }],
  ] as const)
    it(`accepts ${what}`, () => assert.deepEqual(violationsOf(body), []));

  for (const [what, body, violations] of [
    ["a duplicate id", spec(["a"], ["b"], ["a"]), ["/body/steps/2/id is already the id of /body/steps/0"]],
    [
      "every further use of an id",
      spec(["a"], ["a"], ["a"]),
      [
        "/body/steps/1/id is already the id of /body/steps/0",
        "/body/steps/2/id is already the id of /body/steps/0",
      ],
    ],
    [
      "dependencies that do not exist",
      spec(["a", "x"], ["b", "a", 'y"']),
      [
        '/body/steps/0/depends_on/0 is not the id of a step: "x"',
        '/body/steps/1/depends_on/1 is not the id of a step: "y\\""',
      ],
    ],
    [
      "a dependency that is almost an id",
      spec(["design"], ["fold", "desing"]),
      ['/body/steps/1/depends_on/0 is not the id of a step: "desing"; did you mean design?'],
    ],
    [
      "a dependency on a name of Object.prototype",
      spec(["a", "constructor"]),
      ['/body/steps/0/depends_on/0 is not the id of a step: "constructor"'],
    ],
    [
      "a step that depends on itself",
      spec(["a", "a"]),
      ['/body/steps/0/depends_on/0 makes a cycle: "a" needs "a"'],
    ],
    [
      "a cycle at the dependency that closes it, without the steps that only lead to it",
      spec(["in", "a"], ["a", "b"], ["b", "ok", "c"], ["c", "a"], ["ok"]),
      ['/body/steps/3/depends_on/0 makes a cycle: "a" needs "b" needs "c" needs "a"'],
    ],
    [
      "each of several cycles",
      spec(["a", "b"], ["b", "a"], ["c", "c"], ["d", "e"], ["e", "d", "a"]),
      [
        '/body/steps/1/depends_on/0 makes a cycle: "a" needs "b" needs "a"',
        '/body/steps/2/depends_on/0 makes a cycle: "c" needs "c"',
        '/body/steps/4/depends_on/0 makes a cycle: "d" needs "e" needs "d"',
      ],
    ],
    [
      "violations of all kinds at once",
      spec(["a", "none"], ["a"], ["b", "b"]),
      [
        "/body/steps/1/id is already the id of /body/steps/0",
        '/body/steps/0/depends_on/0 is not the id of a step: "none"',
        '/body/steps/2/depends_on/0 makes a cycle: "b" needs "b"',
      ],
    ],
  ] as const)
    it(`reports ${what}`, () => assert.deepEqual(violationsOf(body), violations));

  it("suggests an id in the first ten violations only", () => {
    const messages = violationsOf(spec(["design", ...Array.from({ length: 100 }, () => "desing")]));
    assert.equal(messages.length, 100);
    assert.equal(messages.filter((message) => message.endsWith("; did you mean design?")).length, 10);
  });

  it("finds a cycle of 256 steps", () => {
    const [violation, ...others] = dagViolations(chain(256, ["s255"]));
    assert.deepEqual(others, []);
    assert.match(violation!.path, /^\/body\/steps\/\d+\/depends_on\/0$/);
    assert.match(violation!.message, /^makes a cycle: /);
  });

  it("leaves a list of more than 256 steps to the schema", () => {
    assert.deepEqual(
      violationsOf({ steps: Array.from({ length: 257 }, () => ({ id: "a", depends_on: ["a"] })) }),
      [],
    );
  });

  for (const body of [
    undefined,
    null,
    0,
    "steps",
    [],
    {},
    { steps: null },
    { steps: "ab" },
    { steps: { 0: { id: "a" }, length: 1 } },
    { steps: [null, 1, "a", [], {}, { id: 1 }, { id: null, depends_on: ["a"] }] },
    { steps: [{ id: "a", depends_on: "a" }] },
    { steps: [{ id: "a", depends_on: { 0: "a" } }] },
    { steps: [{ id: "a", depends_on: [null, 1, ["a"], { id: "a" }] }] },
  ])
    it(`skips ${JSON.stringify(body)}`, () => assert.deepEqual(violationsOf(body), []));

  it("reports no more than a response lists", () => {
    const missing = Array.from({ length: 256 }, (_, index) => `none-${index}`);
    const twice = Array.from({ length: 256 }, (): [string, ...string[]] => ["a", ...missing]);
    assert.equal(dagViolations(spec(...twice)).length, 100);
    assert.equal(dagViolations(spec(["a", ...missing])).length, 100);
  });

  it("skips ids that the schema rejects for their length", () => {
    const tooLong = "a".repeat(257);
    const steps = [
      { id: tooLong, depends_on: ["a"] },
      { id: "a", depends_on: [tooLong, "b"] },
    ];
    assert.deepEqual(
      dagViolations({ steps }).map(({ path }) => path),
      ["/body/steps/1/depends_on/1"],
    );
  });

  it("reports few and short violations for 200,000 dependencies that close a long cycle", () => {
    const long = chain(256, ["s255"]);
    long.steps[1]!.depends_on = Array.from({ length: 200_000 }, () => "s0");
    const { violations } = invalidRequest(dagViolations(long));
    assert.equal(violations.length, 100);
    assert.ok(violations.every(({ message }) => message.length < 200));
  });
});
