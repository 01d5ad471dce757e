import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  StepStatusSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { runSync } from "../../src/load-shedding/task-queue.ts";
import { findMetrics } from "../../src/mapping/find-metrics.ts";

const encode = (stepStatuses: MessageInitShape<typeof StepStatusSchema>[]) =>
  toBinary(WorkflowSchema, create(WorkflowSchema, { id: "w1", stepStatuses }));

function find(stepStatuses: MessageInitShape<typeof StepStatusSchema>[], wanted: readonly string[]) {
  const { missing, listed } = runSync(findMetrics(encode(stepStatuses), wanted));
  return { missing: [...missing], listed };
}

const fold = { stepId: "fold", outputs: [{ metrics: { ptm: 0.5 } }, { metrics: { plddt: 90, ptm: 0.6 } }] };
const seqs = { stepId: "seqs", sequences: [{ fasta: ">a" }, { fasta: ">b" }] };

describe("findMetrics", () => {
  it("lists the metrics of all outputs and of sequences, sorted, and those that are missing", () => {
    assert.deepEqual(find([fold, {}, seqs, { outputs: [{}] }], ["plddt", "pLDDT", "x"]), {
      missing: ["pLDDT", "x"],
      listed: ["global_score", "plddt", "ptm", "seq_recovery"],
    });
  });

  for (const [what, statuses, wanted] of [
    ["a metric of an output", [fold], ["plddt"]],
    ["a metric of sequences", [seqs], ["seq_recovery"]],
    ["metrics of several steps", [seqs, fold], ["ptm", "global_score", "ptm"]],
  ] as const)
    it(`finds ${what}`, () => assert.deepEqual(find([...statuses], wanted).missing, []));

  for (const statuses of [[], [{}], [{ outputs: [{ uri: "r2://b/plddt" }] }], [{ stepId: "plddt" }]])
    it(`finds nothing in ${JSON.stringify(statuses)}`, () => {
      assert.deepEqual(find(statuses, ["plddt"]), { missing: ["plddt"], listed: [] });
    });

  it("lists at most 32 names, and finds the others", () => {
    const metrics = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`m${index}`, 1]));
    const { missing, listed } = find([{ outputs: [{ metrics }] }], ["m99", "m100"]);
    assert.equal(listed.length, 32);
    assert.deepEqual(missing, ["m100"]);
  });

  it("lists no name that a request cannot have", () => {
    const metrics = {
      "": 1,
      "a\n": 1,
      "\u007f": 1,
      ["b".repeat(129)]: 1,
      ["c".repeat(128)]: 1,
      "ä b": 1,
    };
    assert.deepEqual(find([{ outputs: [{ metrics }] }], ["x"]).listed, ["c".repeat(128), "ä b"]);
  });

  it("visits a large workflow in slices, and ends as soon as nothing is missing", () => {
    const many = Array.from({ length: 50_000 }, () => ({ metrics: { ptm: 1 } }));
    const workflow = encode([{ outputs: many }]);
    assert.ok([...findMetrics(workflow, ["x"])].length >= 100);
    assert.equal([...findMetrics(workflow, ["ptm"])].length, 0);
  });
});
