import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { runGateway } from "../support/gateway-process.ts";
import { code, pagePaths, readPage, rows, section } from "../support/pages.ts";

const page = readPage("docs/monitoring.md");
const metrics = section(page, "Metrics");

/** The gateway's own metrics with the labels of each. */
const table = new Map(rows(metrics, /^`/).map(([name, labels]) => [code(name)[0] ?? "", code(labels)]));

describe("docs/monitoring.md", () => {
  it("lists the metrics that the gateway serves, with the labels and values that they have", async () => {
    const { child, started, ended } = runGateway({ BIND_ADDR: "127.0.0.1:0" });
    const url = await started;
    await (await fetch(`${url}/v1/readyz`)).text();
    const text = await (await fetch(`${url}/metrics`)).text();
    child.kill("SIGINT");
    await ended;
    const spans = code(metrics);
    const ofProcess = spans.filter((name) => /^(?:process|nodejs)_\w+$/.test(name));
    const served = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name = ""]) => name);
    assert.deepEqual([...table.keys(), ...ofProcess].sort(), served.sort());

    for (const [name, labels] of table) {
      const samples = [...text.matchAll(new RegExp(`^${name}(?:_bucket|_sum|_count)?(\\{.*\\})? `, "gm"))];
      assert.ok(samples.length > 0, name);
      const pairs = samples.flatMap(([, list = ""]) => [...list.matchAll(/(\w+)="([^"]*)"/g)]);
      const found = new Set(pairs.map(([, label]) => label).filter((label) => label !== "le"));
      assert.deepEqual([...found].sort(), labels.toSorted(), name);
      for (const [, label = "", value = ""] of pairs) {
        if (["kind", "limit", "outcome", "result", "type"].includes(label))
          assert.ok(spans.includes(value), value);
      }
    }
  });

  it("lists every event that the gateway logs", () => {
    const documented = rows(section(page, "Log"), /^`/).flatMap(([event]) => code(event));
    const source = globSync("src/**/*.ts", { exclude: ["src/{sandbox,demo}/**"] })
      .map((file) => readFileSync(file, "utf8"))
      .join("\n");
    for (const event of documented) assert.ok(source.includes(`"${event}"`), event);
    // Events are `noun.verb`, the verb in the past tense; the contract fixes one that is not.
    const logged = source.matchAll(/"([a-z_]+\.(?:[a-z]+ed|lost|submit))"/g);
    for (const [, event = ""] of logged) assert.ok(documented.includes(event), event);
  });

  it("lists every alert with its severity and its time", () => {
    const { groups } = parse(readFileSync("deploy/prometheus/alerts.yaml", "utf8")) as {
      groups: { rules: { alert: string; for?: string; labels: { severity: string } }[] }[];
    };
    assert.deepEqual(
      rows(section(page, "Alerts"), /^`/).map(([name, severity, when = ""]) => {
        return [code(name)[0], severity, /for (\d+) min$/.exec(when)?.[1]];
      }),
      groups
        .flatMap(({ rules }) => rules)
        .map(({ alert, labels, for: time }) => [alert, labels.severity, time?.replace("m", "")]),
    );
  });
});

describe("names of metrics in the documentation", () => {
  it("exist, in every page", () => {
    for (const path of pagePaths.filter((path) => path !== "CHANGELOG.md"))
      for (const [name] of readPage(path).matchAll(/foldforge_gateway_\w+/g))
        assert.ok(table.has(name.replace(/_(?:bucket|sum|count)$/, "")), `${path}: ${name}`);
  });
});
