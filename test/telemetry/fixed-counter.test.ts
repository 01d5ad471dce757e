import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { fixedCounter } from "../../src/telemetry/fixed-counter.ts";
import { samplesOf } from "../support/metrics.ts";

describe("fixedCounter", () => {
  it("begins each kind at 0 and counts each by itself", async () => {
    const registry = new Registry();
    const count = fixedCounter(registry, { name: "things_total", help: "Things.", label: "kind" }, [
      "a",
      "b",
    ]);
    assert.deepEqual(
      [...samplesOf(await registry.metrics())],
      [
        ['things_total{kind="a"}', 0],
        ['things_total{kind="b"}', 0],
      ],
    );
    count("b");
    count("b");
    assert.deepEqual(
      [...samplesOf(await registry.metrics())],
      [
        ['things_total{kind="a"}', 0],
        ['things_total{kind="b"}', 2],
      ],
    );
  });
});
