import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { WorkflowSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { findArtifact } from "../../src/artifacts/find-artifact.ts";
import { textOf, transcode, transcoders } from "../mapping/transcode.ts";

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
      stepId: "c d",
      outputs: [
        { uri: "s3://foldforge/c" },
        { uri: "r2://foldforge/a b+%2F&é.pdb", sizeBytes: 2n },
        { uri: "r2://foldforge/none", sizeBytes: 3n, contentType: "chemical/x-mmcif" },
        { uri: "r2://other/artifacts/b.pdb" },
      ],
    },
  ],
});

function encoded(workflow: MessageInitShape<typeof WorkflowSchema>): Uint8Array {
  return toBinary(WorkflowSchema, create(WorkflowSchema, workflow));
}

describe("findArtifact", () => {
  for (const [key, sizeBytes, name] of [
    ["artifacts/a.pdb", 1n, "b-0.pdb"],
    ["a b+%2F&é.pdb", 2n, "c_d~b561f19f-1.pdb"],
    ["none", 3n, "c_d~b561f19f-2.cif"],
  ] as const)
    it(`finds ${key} among the outputs of all steps`, () => {
      const found = findArtifact(workflow, "foldforge", key);
      assert.equal(found?.artifact.sizeBytes, sizeBytes);
      assert.equal(found.name, name);
    });

  it("finds the first of two outputs with the same uri", () => {
    assert.equal(findArtifact(workflow, "other", "artifacts/b.pdb")?.name, "b-1.pdb");
  });

  it("gives every output the name that it has in the JSON of the workflow", () => {
    const { step_statuses } = JSON.parse(textOf(transcode(transcoders.workflow, workflow)));
    const links: { name: string; uri: string }[] = step_statuses.flatMap(
      ({ outputs }: { outputs: { name: string; uri: string }[] }) => outputs,
    );
    const inBucket = links.filter(({ uri }) => uri.startsWith("r2://foldforge/"));
    assert.equal(inBucket.length, 3);
    for (const { name, uri } of inBucket)
      assert.equal(findArtifact(workflow, "foldforge", uri.slice("r2://foldforge/".length))?.name, name);
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
