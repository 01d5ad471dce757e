import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { findProgram } from "./prometheus.ts";

/** The groups and alerts of a file of rules, each with the name that Prometheus shows. */
function namesIn(file: string): { readonly groups: readonly string[]; readonly alerts: readonly string[] } {
  const { groups } = parse(readFileSync(file, "utf8")) as {
    groups: { name: string; rules: { alert: string }[] }[];
  };
  return {
    groups: groups.map(({ name }) => name),
    alerts: groups.flatMap(({ rules }) => rules.map(({ alert }) => alert)),
  };
}

describe("the names in deploy/prometheus/alerts.yaml", () => {
  it("begin with Gateway, so that no rule of an existing deployment has one of them", () => {
    const { groups, alerts } = namesIn("deploy/prometheus/alerts.yaml");
    const existing = namesIn("test/deploy/existing-alerts.yaml");
    for (const alert of alerts) assert.match(alert, /^Gateway[A-Z]/);
    assert.equal(new Set([...alerts, ...existing.alerts]).size, alerts.length + existing.alerts.length);
    for (const group of groups) assert.doesNotMatch(group, /foldforge/);
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

  const ours = "deploy/prometheus";
  for (const [what, cwd, ...args] of [
    ["has valid alert rules", ours, "check", "rules", "--lint-fatal", "alerts.yaml"],
    ["has a valid configuration", ours, "check", "config", "--lint-fatal", "prometheus.yaml"],
    ["fires each alert when it should, and only then", ours, "test", "rules", "alerts.test.yaml"],
    [
      "fires existing alerts at the traffic that they need",
      "test/deploy",
      "test",
      "rules",
      "existing-alerts.test.yaml",
    ],
  ])
    it(what ?? "", () => {
      const { status, stdout, stderr } = spawnSync(promtool, args, { cwd, encoding: "utf8" });
      assert.equal(status, 0, stdout + stderr);
    });
});
