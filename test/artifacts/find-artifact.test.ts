import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { WorkflowSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { findArtifact } from "../../src/artifacts/find-artifact.ts";

const workflow = encoded({
  id: "w1",
  stepStatuses: [
    { stepId: "a" },
    {
      stepId: "b",
      outputs: [
        { uri: "r2://foldforge/artifacts/a.pdb", sizeBytes: 1n },
        { uri: "r2://other/artifacts/b.pdb" },
      ],
    },
    {
      stepId: "c",
      outputs: [{ uri: "r2://foldforge/a b+%2F&é.pdb", sizeBytes: 2n }, { uri: "s3://foldforge/c" }],
    },
  ],
});

function encoded(workflow: MessageInitShape<typeof WorkflowSchema>): Uint8Array {
  return toBinary(WorkflowSchema, create(WorkflowSchema, workflow));
}

describe("findArtifact", () => {
  for (const [key, sizeBytes] of [
    ["artifacts/a.pdb", 1n],
    ["a b+%2F&é.pdb", 2n],
  ] as const)
    it(`finds ${key} among the outputs of all steps`, () => {
      assert.equal(findArtifact(workflow, "foldforge", key)?.sizeBytes, sizeBytes);
    });

  for (const key of [
    "",
    "a.pdb",
    "artifacts",
    "artifacts/A.pdb",
    "artifacts/a.pdb/",
    "artifacts//a.pdb",
    "/artifacts/a.pdb",
    "artifacts/../artifacts/a.pdb",
    "artifacts%2Fa.pdb",
    "artifacts/b.pdb",
    "a b+/&é.pdb",
    "c",
  ])
    it(`does not find ${JSON.stringify(key)}`, () => {
      assert.equal(findArtifact(workflow, "foldforge", key), undefined);
    });

  it("does not find an output of another bucket, or in a workflow without outputs", () => {
    assert.equal(findArtifact(workflow, "bucket", "artifacts/a.pdb"), undefined);
    assert.equal(findArtifact(workflow, "foldforge/artifacts", "b.pdb"), undefined);
    assert.equal(findArtifact(encoded({}), "foldforge", "artifacts/a.pdb"), undefined);
  });
});
