import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  StepStatusSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { readStepIds } from "../../src/mapping/workflow.ts";
import { artifactList, jsonOf, textOf, transcode, transcodeInSlices } from "./transcode.ts";

const workflow = create(WorkflowSchema, {
  id: "w1",
  spec: { steps: [{ id: "design" }, { id: "fold" }, { id: "rank" }] },
  stepStatuses: [
    { stepId: "design", outputs: [{ uri: "r2://foldforge/a.pdb", metrics: { plddt: 91 } }] },
    { stepId: "fold", outputs: [{ uri: "r2://foldforge/b.pdb" }, { uri: "r2://other/c.pdb" }] },
    { stepId: "rank" },
  ],
});

const listOf = (step?: string) => jsonOf(artifactList(step), WorkflowSchema, workflow);
const namesIn = (text: string) => JSON.parse(text).artifacts.map(({ name }: { name: string }) => name);

describe("createArtifactList", () => {
  it("writes the outputs of all steps, each with its step", () => {
    const text = listOf();
    assert.ok(
      text.startsWith(
        '{"artifacts":[{"step_id":"design","name":"design-0.pdb","href":"/v1/workflows/w1/artifacts/a.pdb",' +
          '"uri":"r2://foldforge/a.pdb","content_type":"","size_bytes":0,"sha256":"","metrics":{"plddt":91}},',
      ),
      text,
    );
    assert.deepEqual(namesIn(text), ["design-0.pdb", "fold-0.pdb", "fold-1.pdb"]);
  });

  for (const [step, names] of [
    ["design", ["design-0.pdb"]],
    ["fold", ["fold-0.pdb", "fold-1.pdb"]],
    ["rank", []],
    ["none", []],
  ] as const)
    it(`writes ${names.length} outputs of the step ${step}`, () => {
      assert.deepEqual(namesIn(listOf(step)), names);
    });

  it("escapes the id of a step", () => {
    const text = jsonOf(artifactList(), WorkflowSchema, {
      stepStatuses: [{ stepId: 'a"\u2028', outputs: [{}] }],
    });
    assert.ok(text.startsWith('{"artifacts":[{"step_id":"a\\"\\u2028","name":"a__~'), text);
  });

  it("writes the artifacts of a large workflow in short slices", () => {
    const outputs = Array.from({ length: 1000 }, (_, index) => ({ uri: `r2://foldforge/${index}.pdb` }));
    const large = toBinary(WorkflowSchema, create(WorkflowSchema, { stepStatuses: [{ outputs }] }));
    const { text, slices } = transcodeInSlices(artifactList(), large);
    assert.equal(namesIn(textOf(text)).length, 1000);
    assert.ok(slices >= 1000, `${slices} slices`);
  });

  it("throws for more than 1,000,000 artifacts, however many steps have them", () => {
    const outputs = Buffer.alloc(
      2 * 500_001,
      Buffer.from([StepStatusSchema.field.outputs.number * 8 + 2, 0]),
    );
    const statusTag = WorkflowSchema.field.stepStatuses.number * 8 + 2;
    const status = new BinaryWriter().uint32(statusTag).bytes(outputs).finish();
    assert.throws(
      () => transcode(artifactList(), Buffer.concat([status, status])),
      /more than 1000000 artifacts/,
    );
  });
});

describe("readStepIds", () => {
  it("reads the ids of the spec's steps and of the step statuses, each once", () => {
    const bytes = toBinary(WorkflowSchema, workflow);
    assert.deepEqual([...readStepIds(bytes)], ["design", "fold", "rank"]);
    const status = toBinary(WorkflowSchema, create(WorkflowSchema, { stepStatuses: [{ stepId: "more" }] }));
    assert.deepEqual([...readStepIds(Buffer.concat([status, bytes]))], ["design", "fold", "rank", "more"]);
    assert.deepEqual([...readStepIds(new Uint8Array())], []);
  });
});
