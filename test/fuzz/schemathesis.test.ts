import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { temporaryFolder } from "../support/temporary-folder.ts";

const program = join(import.meta.dirname, "schemathesis.ts");

/** A stand-in for schemathesis: prints its arguments and the end of its settings, and fails. */
const tester = `#!/bin/sh
test "$1" = --version && exit 0
echo "arguments: $*"
tail -n 4 "$2"
exit 3
`;

describe("make schemathesis", () => {
  it("prints one line and fails if schemathesis is missing", () => {
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

  it("tests a stack with an artifact, stops the stack, and exits with the exit code of schemathesis", async () => {
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
