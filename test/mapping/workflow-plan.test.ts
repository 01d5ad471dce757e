import assert from "node:assert/strict";
import fc from "fast-check";
import type { Schema } from "../../src/contract.ts";
import { workflowPlanFromSpec } from "../../src/mapping/workflow-plan.ts";

/** A submission whose steps have these dependencies. */
function spec(needs: Readonly<Record<string, readonly string[]>>): Schema["WorkflowSpec"] {
  const steps = Object.entries(needs).map(([id, depends_on]) => ({
    id,
    tool: "af2" as const,
    depends_on: [...depends_on],
  }));
  return { name: "n", steps };
}

/** Ids, some of which are names of Object.prototype. */
const id = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "toString", "0", " ", "é"),
  fc.string({ minLength: 1, maxLength: 8 }),
);

/** Valid submissions: each step depends on some of the earlier ones, and the steps are shuffled. */
const specs = fc
  .uniqueArray(id, { minLength: 1, maxLength: 40 })
  .chain((ids) => {
    const step = (own: string, index: number) =>
      fc.record({
        id: fc.constant(own),
        tool: fc.constantFrom(
          "rfdiffusion" as const,
          "proteinmpnn" as const,
          "boltz" as const,
          "af2" as const,
        ),
        depends_on: fc.option(fc.subarray(ids.slice(0, index)), { nil: undefined }),
      });
    return fc.tuple(...ids.map(step));
  })
  .chain((steps) => fc.shuffledSubarray(steps, { minLength: steps.length }))
  .map((steps): Schema["WorkflowSpec"] => ({
    name: "any",
    steps: steps.map(({ depends_on, ...step }) =>
      depends_on === undefined ? step : { ...step, depends_on },
    ),
  }));

describe("workflowPlanFromSpec", () => {
  it("returns the name, and each step with its tool, its dependencies and its level, in the submitted order", () => {
    const { name, steps } = workflowPlanFromSpec(
      {
        name: "design-then-fold",
        labels: { team: "alpha" },
        steps: [
          { id: "fold", tool: "af2", depends_on: ["seqs"], resources: { gpu_count: 1 } },
          { id: "seqs", tool: "proteinmpnn", depends_on: ["design"], params: { num_sequences: 5 } },
          { id: "design", tool: "rfdiffusion" },
        ],
      },
      undefined,
    );
    assert.equal(name, "design-then-fold");
    assert.deepEqual(steps, [
      { id: "fold", tool: "af2", depends_on: ["seqs"], level: 2 },
      { id: "seqs", tool: "proteinmpnn", depends_on: ["design"], level: 1 },
      { id: "design", tool: "rfdiffusion", depends_on: [], level: 0 },
    ]);
  });

  for (const [what, needs, levels] of [
    ["one step", { a: [] }, [["a"]]],
    ["steps that need nothing", { b: [], a: [], c: [] }, [["b", "a", "c"]]],
    ["a diamond", { a: [], b: ["a"], c: ["a"], d: ["b", "c"] }, [["a"], ["b", "c"], ["d"]]],
    ["a step that needs the first and the last", { a: [], b: ["a"], c: ["a", "b"] }, [["a"], ["b"], ["c"]]],
    ["two chains, one of them longer", { x: [], y: ["x"], a: [], z: ["y"] }, [["x", "a"], ["y"], ["z"]]],
    ["a dependency that is written down twice", { a: [], b: ["a", "a"] }, [["a"], ["b"]]],
    ["steps in the wrong order", { c: ["b"], b: ["a"], a: [] }, [["a"], ["b"], ["c"]]],
  ] as const)
    it(`runs ${what} level by level`, () => {
      const plan = workflowPlanFromSpec(spec(needs), undefined);
      assert.deepEqual(plan.levels, levels);
      assert.deepEqual(plan.order, levels.flat());
    });

  for (const [pricePerStep, price] of [
    [undefined, undefined],
    [0, 0],
    [10, 20],
  ] as const)
    it(`returns ${price === undefined ? "no price" : `a price of ${price}`} for two steps at ${pricePerStep ?? "an unknown price"} each`, () => {
      assert.equal(workflowPlanFromSpec(spec({ a: [], b: ["a"] }), pricePerStep).price, price);
    });

  it("plans 256 steps in a chain, without dependencies, and each depending on all earlier ones", () => {
    const ids = Array.from({ length: 256 }, (_, index) => `s${index}`);
    const all = (needs: (index: number) => string[]) =>
      workflowPlanFromSpec(
        spec(Object.fromEntries(ids.map((own, index) => [own, needs(index)]).toReversed())),
        undefined,
      );
    const chain = all((index) => ids.slice(Math.max(0, index - 1), index));
    assert.deepEqual(chain.order, ids);
    assert.equal(chain.steps[0]?.level, 255);
    assert.deepEqual(all(() => []).levels, [ids.toReversed()]);
    assert.deepEqual(all((index) => ids.slice(0, index)).order, ids);
  });

  it("orders any valid submission topologically, with the earliest possible levels", () => {
    fc.assert(
      fc.property(specs, (submitted) => {
        const { steps, order, levels } = workflowPlanFromSpec(submitted, undefined);
        const needed = new Map(submitted.steps.map(({ id: own, depends_on = [] }) => [own, depends_on]));
        const levelOf = new Map(steps.map(({ id: own, level }) => [own, level]));
        assert.deepEqual(
          steps.map((step) => [step.id, step.tool, step.depends_on]),
          submitted.steps.map(({ id: own, tool }) => [own, tool, needed.get(own)]),
        );
        assert.deepEqual(order.toSorted(), [...needed.keys()].sort(), "each step comes once");
        for (const [own, needs] of needed) {
          for (const other of needs)
            assert.ok(order.indexOf(other) < order.indexOf(own), "after what it needs");
          const deepest = Math.max(-1, ...needs.map((other) => levelOf.get(other)!));
          assert.equal(levelOf.get(own), deepest + 1, "one above the deepest that it needs");
        }
        assert.deepEqual(levels.flat(), order);
        for (const [level, ids] of levels.entries()) {
          assert.ok(ids.length > 0);
          for (const own of ids) assert.equal(levelOf.get(own), level);
        }
      }),
      { numRuns: 200 },
    );
  });
});
