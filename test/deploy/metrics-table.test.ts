import assert from "node:assert/strict";
import { runGateway } from "../support/gateway-process.ts";
import { operatorsPage, section } from "../support/readme.ts";

const page = section("Metrics", operatorsPage);

/** The gateway's own metrics, each with the labels of its row. */
const table = new Map(
  page
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((row) => {
      const [, name = "", labels = ""] = row.split("|");
      return [code(name)[0] ?? "", code(labels)];
    }),
);

const told = code(page);

/** The metrics of the process, which are told in words. */
const ofProcess = told.filter((name) => /^(?:process|nodejs)_/.test(name));

function code(text: string): string[] {
  return [...text.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
}

describe("the page for operators: the metrics", () => {
  it("are those of a gateway's process, with the labels that they have", async () => {
    const { child, started, ended } = runGateway({ BIND_ADDR: "127.0.0.1:0" });
    const url = await started;
    await (await fetch(`${url}/v1/readyz`)).text();
    const text = await (await fetch(`${url}/metrics`)).text();
    child.kill("SIGINT");
    await ended;
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
          assert.ok(told.includes(value), value);
      }
    }
  });
});
