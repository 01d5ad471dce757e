import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { temporaryFolder } from "../support/temporary-folder.ts";

const program = join(import.meta.dirname, "schemathesis.ts");

/** In the place of the tester: reads what it was told to test, and finds it wrong. */
const tester = `#!/bin/sh
test "$1" = --version && exit 0
echo "told $*"
tail -n 4 "$2"
exit 3
`;

describe("make schemathesis", () => {
  it("says in one line that schemathesis is missing, and fails", () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
      env: { PATH: "" },
      encoding: "utf8",
    });
    assert.deepEqual(
      { status, stdout, stderr },
      {
        status: 1,
        stdout: "",
        stderr: "schemathesis: schemathesis is needed to run it; see https://schemathesis.io\n",
      },
    );
  });

  it("has it test a stack with an artifact, stops that, and exits with its verdict", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "schemathesis");
    writeFileSync(file, tester);
    chmodSync(file, 0o755);
    const env = { ...process.env, PATH: `${folder.path}${delimiter}${process.env["PATH"]}` };
    const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((resolve) => {
      execFile(process.execPath, [program], { env }, (error, stdout) =>
        resolve({ code: error?.code, stdout }),
      );
    });
    assert.equal(code, 3);
    const [, url = ""] = /run \S+openapi\/gateway\.v1\.yaml --url (\S+) --max-time \d+/.exec(stdout) ?? [];
    assert.match(stdout, /parameters = \{ id = "\S+", key = "artifacts\/\S+" \}/);
    await assert.rejects(fetch(`${url}/v1/healthz`), /fetch failed/, "the stack has stopped");
  });
});
