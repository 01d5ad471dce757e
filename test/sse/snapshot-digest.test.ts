import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { WorkflowSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { snapshotDigest } from "../../src/sse/snapshot-digest.ts";

type Changes = MessageInitShape<typeof WorkflowSchema>;

/** A workflow with maps of every kind in it. */
function workflow(labels: Record<string, string>, metrics: Record<string, number>, sizeBytes = 1n): Changes {
  return {
    id: "w1",
    spec: { name: "one", steps: [{ id: "a", tool: "af2", params: metrics }], labels },
    state: JobState.RUNNING,
    stepStatuses: [{ stepId: "a", outputs: [{ uri: "r2://b/k", sizeBytes, metrics }] }],
  };
}

const digestOf = (changes: Changes) => snapshotDigest(create(WorkflowSchema, changes));
const base = workflow({ team: "alpha", run: "7" }, { plddt: 0.9, ptm: 0.8 });

describe("snapshotDigest", () => {
  it("is the same for the same workflow, in whatever order its maps come", () => {
    const other = workflow({ run: "7", team: "alpha" }, { ptm: 0.8, plddt: 0.9 });
    assert.equal(digestOf(base), digestOf(other));
  });

  const changed: [string, Changes][] = [
    ["state", { ...base, state: JobState.SUCCEEDED }],
    ["label", workflow({ team: "beta", run: "7" }, { plddt: 0.9, ptm: 0.8 })],
    ["metric", workflow({ team: "alpha", run: "7" }, { plddt: 0.9, ptm: 0.7 })],
    ["size beyond 2^53", workflow({ team: "alpha", run: "7" }, { plddt: 0.9, ptm: 0.8 }, 2n ** 60n)],
    ["time", { ...base, updatedAt: create(TimestampSchema, { seconds: 1n }) }],
    ["step", { ...base, stepStatuses: [] }],
  ];
  for (const [what, changes] of changed)
    it(`tells another ${what}`, () => assert.notEqual(digestOf(changes), digestOf(base)));

  it("tells two sizes beyond 2^53 from one another", () => {
    const sized = (sizeBytes: bigint) => digestOf(workflow({}, {}, sizeBytes));
    assert.notEqual(sized(2n ** 60n), sized(2n ** 60n + 1n));
  });
});
