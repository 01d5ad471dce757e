import assert from "node:assert/strict";
import { inOrder } from "../../src/http/stages.ts";

type Stage = (calls: string[], res: undefined, next: (error?: unknown) => void) => unknown;

/** Runs stages; resolves to the calls and the error when the last stage, or an error, is reached. */
function run(...stages: Stage[]): Promise<{ calls: string[]; error: unknown }> {
  const calls: string[] = [];
  return new Promise((resolve) => {
    inOrder(stages)(calls, undefined, (error) => resolve({ calls, error }));
  });
}

const named =
  (name: string): Stage =>
  (calls, _res, next) => {
    calls.push(name);
    next();
  };

describe("inOrder", () => {
  it("runs stages in order, asynchronous ones included", async () => {
    const later: Stage = async (calls, _res, next) => {
      await Promise.resolve();
      calls.push("later");
      next();
    };
    assert.deepEqual(await run(named("a"), later, named("b")), {
      calls: ["a", "later", "b"],
      error: undefined,
    });
  });

  const failure = new Error("failed");
  for (const [how, stage] of [
    ["passed to next", (_calls, _res, next) => next(failure)],
    [
      "thrown",
      () => {
        throw failure;
      },
    ],
    ["rejected", () => Promise.reject(failure)],
  ] as const satisfies [string, Stage][])
    it(`skips the rest after an error that is ${how}`, async () => {
      assert.deepEqual(await run(named("a"), stage, named("b")), { calls: ["a"], error: failure });
    });

  it("takes a rejection without a reason for an error", async () => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a library may do so
    const { error } = await run(() => Promise.reject(undefined), named("b"));
    assert.ok(error instanceof Error);
  });
});
