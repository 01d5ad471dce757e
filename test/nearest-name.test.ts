import assert from "node:assert/strict";
import { didYouMean, didYouMeanOneOf, mostSimilarName, nearestName } from "../src/nearest-name.ts";

const step = ["id", "tool", "depends_on", "params", "resources"];
const tools = ["rfdiffusion", "proteinmpnn", "boltz", "af2"];
const list = ["page_size", "page_token", "state", "label"];

describe("nearestName", () => {
  for (const [name, known, expected] of [
    ["dependsOn", step, "depends_on"],
    ["DEPENDS_ON", step, "depends_on"],
    ["depends-on", step, "depends_on"],
    ["dependson", step, "depends_on"],
    ["depend_on", step, "depends_on"],
    ["Id", step, "id"],
    ["tools", step, "tool"],
    ["tolo", step, "tool"],
    ["param", step, "params"],
    ["resource", step, "resources"],
    ["pageSize", list, "page_size"],
    ["pagesize", list, "page_size"],
    ["pageToken", list, "page_token"],
    ["labels", list, "label"],
    ["status", list, undefined],
    ["rfdifusion", tools, "rfdiffusion"],
    ["RFdiffusion", tools, "rfdiffusion"],
    ["protein-mpnn", tools, "proteinmpnn"],
    ["boltz1", tools, "boltz"],
    ["AF3", tools, "af2"],
    ["alphafold", tools, undefined],
    ["blast", tools, undefined],
    ["ix", step, undefined],
    ["foo", step, undefined],
    ["", step, undefined],
    ["_", step, undefined],
    ["x", [], undefined],
    // The nearest of several that are near.
    ["labelss", ["label", "labels"], "labels"],
    ["d".repeat(70), ["d".repeat(70)], undefined],
    ["d", ["d".repeat(70), `d${"_".repeat(70)}`], undefined],
  ] as const)
    it(`is ${expected} for ${name.slice(0, 20)} among ${known.join(", ").slice(0, 50)}`, () => {
      assert.equal(nearestName(name, known), expected);
    });

  it("compares no long name", () => {
    const long = "a".repeat(1024 * 1024);
    const { user } = process.cpuUsage();
    for (let count = 0; count < 10_000; count += 1) assert.equal(nearestName(long, step), undefined);
    // A comparison takes more than ten milliseconds.
    assert.ok(process.cpuUsage().user - user < 1_000_000);
  });
});

describe("mostSimilarName", () => {
  for (const [name, known, expected] of [
    ["R2_BUCKET_NAME", ["BIND_ADDR", "R2_BUCKET"], "R2_BUCKET"],
    ["QQQQ", ["BIND_ADDR", "R2_BUCKET"], "BIND_ADDR"],
    ["x", [], undefined],
  ] as const)
    it(`is ${expected} for ${name}, however little they have in common`, () => {
      assert.equal(mostSimilarName(name, known), expected);
    });
});

describe("didYouMeanOneOf", () => {
  it("suggests the nearest name, or else lists all", () => {
    assert.equal(didYouMeanOneOf("tol", step, "properties"), "; did you mean tool?");
    assert.equal(didYouMeanOneOf("else", ["id", "tool"], "properties"), "; known properties: id, tool");
    assert.equal(didYouMeanOneOf("else", [], "properties"), "");
  });
});

describe("didYouMean", () => {
  it("suggests the nearest name, or nothing", () => {
    assert.equal(didYouMean("tol", step), "; did you mean tool?");
    assert.equal(didYouMean("else", step), "");
  });
});
