import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { eachInScratch } from "./scratch-fixture.ts";

const runs = [
  {
    of: "a run that passes",
    prints: "\n  12 passing (3s)\n",
    status: 0,
    says: "12 passed, 0 failed, 0 skipped",
  },
  {
    of: "a run in which tests fail",
    prints: "\n  10 passing (3s)\n  1 pending\n  2 failing\n\n  1) it fails\n",
    status: 2,
    says: "10 passed, 2 failed, 1 skipped",
  },
  {
    of: "a run whose output has colours",
    prints:
      "\x1b[92m \x1b[0m\x1b[32m 3 passing\x1b[0m\x1b[90m (8s)\x1b[0m\n\x1b[36m \x1b[0m\x1b[36m 4 pending\x1b[0m\n",
    status: 0,
    says: "3 passed, 0 failed, 4 skipped",
  },
  {
    of: "a run that fails after its tests have passed",
    prints: "\n  12 passing (3s)\n\nERROR: Coverage for lines (90%) does not meet global threshold (95%)\n",
    status: 2,
    says: "12 passed, 0 failed, 0 skipped",
  },
  {
    of: "a run that fails before its tests",
    prints: "check: contracts\n",
    status: 2,
    says: "0 passed, 0 failed, 0 skipped",
  },
];

describe(".ci/run", () => {
  const scratch = eachInScratch();

  for (const { of, prints, status, says } of runs) {
    it(`lets the output of ${of} through, ends with its counts and has its status`, async () => {
      scratch().write(
        "bin/make",
        `#!/bin/sh\ntest "$*" = test || exit 9\nprintf %s '${prints}'\nexit ${status}\n`,
      );
      chmodSync(join(scratch().folder, "bin/make"), 0o755);
      const path = `${join(scratch().folder, "bin")}:${process.env["PATH"]}`;
      assert.deepEqual(await scratch().run("env", `PATH=${path}`, ".ci/run"), {
        status,
        output: `${prints}${says}\n`,
      });
    });
  }
});
