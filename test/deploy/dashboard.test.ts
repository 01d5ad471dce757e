import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite } from "../support/gateway.ts";
import { dashboard, dashboardQueries } from "./dashboard.ts";
import { findProgram, startPrometheus } from "./prometheus.ts";
import { startScene } from "./scene.ts";
import { holdOpen, runTraffic } from "./traffic.ts";

describe("the dashboard", () => {
  const panels = dashboard.panels.filter(({ type }) => type !== "row");

  it("has panels with description, chosen data source, unit and legend", () => {
    assert.ok(panels.length > dashboard.panels.length / 2);
    for (const { title, description, datasource, fieldConfig, targets = [] } of panels) {
      assert.match(description ?? "", /^[A-Z].*\.$/, title);
      assert.equal(datasource?.uid, "${datasource}", title);
      assert.ok(fieldConfig?.defaults.unit, title);
      assert.ok(targets.length > 0 && targets.every(({ legendFormat }) => legendFormat), title);
    }
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
    assert.deepEqual(
      dashboard.templating.list.map(({ name, type }) => [name, type]),
      [
        ["datasource", "datasource"],
        ["namespace", "query"],
        ["instance", "query"],
      ],
    );
  });

  it("selects by job, namespace and instance in every query", () => {
    for (const { title, targets = [] } of panels)
      for (const { expr } of targets) {
        const selectors = expr.match(/\{.*?\}/g) ?? [];
        assert.ok(selectors.length > 0, title);
        for (const selector of selectors)
          assert.ok(
            selector.startsWith('{job="foldforge-gateway",namespace=~"$namespace",instance=~"$instance"'),
            `${title}: ${selector}`,
          );
      }
  });

  it("fills its grid without gaps and overlaps", () => {
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(x < 24 && !taken.has(`${x},${y}`), title);
          taken.add(`${x},${y}`);
        }
    }
    const height = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    assert.equal(taken.size, 24 * height);
  });
});

/** Most rounds of traffic until every query has data. */
const maxRounds = 20;

describe("a Prometheus that scrapes a gateway under load", function () {
  before("find Prometheus", function () {
    if (findProgram("prometheus") !== undefined) return;
    console.log("    skipped: prometheus is not installed");
    this.skip();
  });
  const stage = suite(startStage);

  /**
   * Sends traffic, with a stream, a download and an upload held open, until each expression has a value other than 0.
   * Resolves with those that have none.
   */
  async function withoutData(expressions: readonly string[]): Promise<readonly string[]> {
    const { scene, prometheus } = stage();
    using held = new DisposableStack();
    held.defer(await holdOpen(scene));
    let left = expressions;
    for (let round = 0; left.length > 0 && round < maxRounds; round++) {
      await runTraffic(scene);
      const found = await Promise.all(left.map((expression) => prometheus.query(expression)));
      left = left.filter((_, i) => !found[i]!.some(({ value }) => Number.isFinite(value) && value !== 0));
    }
    return left;
  }

  it("has data for every query of the dashboard", async () => {
    assert.deepEqual(await withoutData(dashboardQueries("5s")), []);
  });

  it("evaluates every alert on data", async () => {
    const rules = await stage().prometheus.rules();
    const expressions = rules.map(({ query }) => query.replace(/ (?:>|<|==) [\d.]+/g, ""));
    // Some gateway always responds here.
    const [absent, ...others] = expressions;
    assert.match(absent!, /absent\(up\{job="foldforge-gateway"\}\)$/);
    assert.ok(others.length > 5);
    assert.deepEqual(await withoutData(others), []);
    for (const { name, health } of await stage().prometheus.rules()) assert.equal(health, "ok", name);
  });
});

/** Starts a gateway and a Prometheus that scrapes it. */
async function startStage() {
  await using cleanup = new AsyncDisposableStack();
  const scene = await startScene();
  cleanup.defer(scene.close);
  const prometheus = await startPrometheus({
    jobs: { "foldforge-gateway": [scene.url] },
    rules: readFileSync("deploy/prometheus/alerts.yaml", "utf8"),
  });
  cleanup.defer(prometheus.close);
  const resources = cleanup.move();
  return { scene, prometheus, close: () => resources.disposeAsync() };
}
