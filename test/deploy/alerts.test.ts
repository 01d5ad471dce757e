import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { findProgram } from "./prometheus.ts";

describe("deploy/prometheus", () => {
  let promtool = "";
  before(function () {
    const found = findProgram("promtool");
    if (found === undefined) {
      console.log("    skipped: promtool is not installed");
      return this.skip();
    }
    promtool = found;
  });

  for (const [what, ...args] of [
    ["has valid alert rules", "check", "rules", "--lint-fatal", "alerts.yaml"],
    ["has a valid configuration", "check", "config", "--lint-fatal", "prometheus.yaml"],
    ["fires each alert when it should, and only then", "test", "rules", "alerts.test.yaml"],
  ])
    it(what ?? "", () => {
      const { status, stdout, stderr } = spawnSync(promtool, args, {
        cwd: "deploy/prometheus",
        encoding: "utf8",
      });
      assert.equal(status, 0, stdout + stderr);
    });
});
