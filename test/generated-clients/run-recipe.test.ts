import assert from "node:assert/strict";
import { sha256 } from "../support/samples.ts";
import { runRecipe } from "./run-recipe.ts";

const programs = { path: process.env["PATH"] ?? "", missing: () => undefined };
const hash = sha256(Buffer.from("file\n"));
const violation = "INVALID_ARGUMENT /body/steps/0/depends_on/0 is wrong";

/** A program that prints these lines, and saves the artifact under this name. */
function recipe({ lines = ["listed 1", violation, "SUCCEEDED"], file = `${hash}.pdb` } = {}) {
  const text = ["submitted 1", ...lines, `downloaded ${hash}`].join("\n");
  const files = new Map([["client.sh", `# ff-demo-key\necho file >${file}\ncat <<'END'\n${text}\nEND\n`]]);
  return { name: "Shell with nothing", commands: "sh client.sh\n", files, programs: ["sh"] };
}

describe("runRecipe", () => {
  it("is ok for a program that does what it should", async () =>
    assert.deepEqual(await runRecipe(recipe(), programs), { result: "ok" }));

  it("is ok for commands that succeed, without a program", async () =>
    assert.deepEqual(await runRecipe({ ...recipe(), commands: "true", files: new Map() }, programs), {
      result: "ok",
    }));

  for (const [what, failing, error] of [
    [
      "a command that fails",
      { ...recipe(), commands: "echo 'INFO error.py'; echo 'error: a'; echo 'error: b'; (exit 3); true" },
      "error: a",
    ],
    ["a command that fails silently", { ...recipe(), commands: "exit 3" }, "exit code 3"],
    ["a program that does not list", recipe({ lines: [violation, "SUCCEEDED"] }), "has not printed"],
    ["a program that reads no error", recipe({ lines: ["listed 1", "SUCCEEDED"] }), "has not printed"],
    ["a program that does not wait", recipe({ lines: ["listed 1", violation] }), "has not printed"],
    ["a program that saves no artifact", recipe({ file: "other.txt" }), "has not saved"],
    [
      "a program that saves other bytes",
      recipe({ file: `${hash}.pdb\necho >>${hash}.pdb` }),
      "has not saved",
    ],
  ] as const)
    it(`fails for ${what}`, async () => {
      const outcome = await runRecipe(failing, programs);
      assert.equal(outcome.result, "failed");
      assert.ok(outcome.error.includes(error), outcome.error);
    });

  it("skips a recipe without one of its programs", async () => {
    const missing = (names: readonly string[]) => names[0];
    assert.deepEqual(await runRecipe(recipe(), { ...programs, missing }), {
      result: "skipped",
      missing: "sh",
    });
  });
});
