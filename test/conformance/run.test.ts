import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

describe("make conformance", () => {
  it("says in one line that Go is missing, and fails", () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "run.ts")], {
      env: { PATH: "" },
      encoding: "utf8",
    });
    assert.deepEqual(
      { status, stdout, stderr },
      {
        status: 1,
        stdout: "",
        stderr: "conformance: Go is needed to run the conformance suite; see https://go.dev/dl\n",
      },
    );
  });
});
