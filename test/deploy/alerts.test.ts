import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { operatorsPage, section } from "../support/readme.ts";
import { findProgram } from "./prometheus.ts";

/** The alert rules, as far as the page tells of them. */
const { groups } = parse(readFileSync("deploy/prometheus/alerts.yaml", "utf8")) as {
  groups: { rules: { alert: string; for?: string; labels: { severity: string } }[] }[];
};

describe("the page for operators: the alerts", () => {
  it("are those of the rules, each with its severity and its time", () => {
    const rows = section("Alerts and dashboard", operatorsPage).matchAll(
      /^\| `(\w+)` +\| (\w+) +\| (.+?) +\|$/gm,
    );
    const documented = [...rows].map(([, name, severity, when = ""]) => {
      return [name, severity, /for (\d+) min$/.exec(when)?.[1]];
    });
    const rules = groups.flatMap(({ rules }) => rules);
    assert.deepEqual(
      documented,
      rules.map(({ alert, labels, for: time }) => [alert, labels.severity, time?.replace("m", "")]),
    );
  });
});

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
    ["has alert rules without fault", "check", "rules", "--lint-fatal", "alerts.yaml"],
    ["has a configuration without fault", "check", "config", "--lint-fatal", "prometheus.yaml"],
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
