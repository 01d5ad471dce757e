import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { SpawnSyncReturns } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { findProgram } from "../deploy/prometheus.ts";
import { blocks, readPage } from "../support/pages.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const page = readPage("docs/runbook.md");

describe("docs/runbook.md", () => {
  it("has a section for every alert, in the order of the rules", () => {
    const { groups } = parse(readFileSync("deploy/prometheus/alerts.yaml", "utf8")) as {
      groups: { rules: { alert: string }[] }[];
    };
    const headings = [...page.matchAll(/^## (Gateway\w+)$/gm)].map(([, alert]) => alert);
    assert.deepEqual(
      headings,
      groups.flatMap(({ rules }) => rules).map(({ alert }) => alert),
    );
  });

  it("has queries that Prometheus can read", function () {
    const promtool = findProgram("promtool");
    if (promtool === undefined) {
      console.log("      skipped: promtool is not installed");
      return this.skip();
    }
    const queries = blocks(page, "promql");
    assert.ok(queries.length > 0);
    using folder = temporaryFolder();
    const file = join(folder.path, "rules.json");
    for (const query of queries) {
      const rule = { groups: [{ name: "runbook", rules: [{ record: "query", expr: query.trim() }] }] };
      writeFileSync(file, JSON.stringify(rule));
      const checked: SpawnSyncReturns<string> = spawnSync(promtool, ["check", "rules", file], {
        encoding: "utf8",
      });
      assert.equal(checked.status, 0, query + checked.stderr);
    }
  });
});
