import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";

const fixture = join(import.meta.dirname, "leftovers-fixture.ts");

describe("a test that times out", () => {
  for (const mode of [[], ["--parallel"]])
    it(`takes its processes, servers, connections and folders with it: mocha ${mode.join("")}`, async () => {
      const { passes, failures } = await new Promise<{
        passes: { title: string }[];
        failures: { title: string; err: { message: string } }[];
      }>((resolve) => {
        const args = ["--reporter", "json", "--exit", ...mode, fixture];
        execFile("mocha", args, (_failed, stdout) => resolve(JSON.parse(stdout)));
      });
      assert.deepEqual(
        failures.map(({ title, err }) => [title, /^Timeout of 1ms exceeded/.test(err.message)]),
        [["has a test that never ends", true]],
        JSON.stringify(failures),
      );
      assert.deepEqual(
        passes.map(({ title }) => title),
        [
          "has a test that finds nothing of that",
          "still has what its hooks have started",
          "finds nothing of what the hooks have started",
        ],
      );
    });
});
