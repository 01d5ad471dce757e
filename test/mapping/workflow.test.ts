import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { DescMessage } from "@bufbuild/protobuf";
import {
  ArtifactSchema,
  ErrorDetailSchema,
  JobState,
} from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  DesignedSequenceSchema,
  ListWorkflowsResponseSchema,
  StepStatusSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { stepStatusToJson } from "../../src/mapping/step-status.ts";
import { workflowEventToJson } from "../../src/mapping/workflow-event.ts";
import { workflowListToJson, workflowToJson } from "../../src/mapping/workflow.ts";

const status = create(StepStatusSchema, {
  stepId: "fold",
  state: JobState.FAILED,
  fraction: Math.fround(0.3),
  outputs: [
    {
      uri: "r2://foldforge/artifacts/x.pdb",
      contentType: "chemical/x-pdb",
      sizeBytes: 2n ** 63n + 1n,
      sha256: "ab".repeat(32),
      metrics: { plddt: 91.2, nan: NaN },
    },
  ],
  error: { code: "GPU_LOST", message: "the GPU fell off the bus", retryable: true },
  startedAt: { seconds: 1767603600n, nanos: 5 },
  finishedAt: { seconds: 1767603601n, nanos: 0 },
  sequences: [{ fasta: ">1\nMKV", globalScore: 0.8, seqRecovery: 0.5, sampleIndex: 4_294_967_295 }],
});

const statusJson =
  '{"step_id":"fold","state":"FAILED","fraction":0.3,' +
  '"outputs":[{"uri":"r2://foldforge/artifacts/x.pdb","content_type":"chemical/x-pdb",' +
  `"size_bytes":9223372036854775809,"sha256":"${"ab".repeat(32)}","metrics":{"plddt":91.2}}],` +
  '"sequences":[{"fasta":">1\\nMKV","global_score":0.8,"seq_recovery":0.5,"sample_index":4294967295}],' +
  '"error":{"code":"GPU_LOST","message":"the GPU fell off the bus","retryable":true},' +
  '"started_at":"2026-01-05T09:00:00.000000005Z","finished_at":"2026-01-05T09:00:01.000Z"}';

const workflow = create(WorkflowSchema, {
  id: "w1",
  spec: { name: "one", steps: [{ id: "fold", tool: "af2" }], labels: { team: "alpha" } },
  state: JobState.RUNNING,
  stepStatuses: [status],
  createdAt: { seconds: 1767603600n },
  updatedAt: { seconds: 1767603602n },
});

const workflowJson =
  '{"id":"w1","name":"one","state":"RUNNING","steps":[{"id":"fold","tool":"af2","depends_on":[],"params":{}}],' +
  `"labels":{"team":"alpha"},"step_statuses":[${statusJson}],` +
  '"created_at":"2026-01-05T09:00:00.000Z","updated_at":"2026-01-05T09:00:02.000Z"}';

const fieldsOf = ({ fields }: DescMessage) => fields.map(({ name }) => name).sort();

describe("stepStatusToJson", () => {
  it("writes every field, with 64-bit integers exact in the JSON text", () => {
    const json = stepStatusToJson(status);
    assert.equal(JSON.stringify(json), statusJson);
    assert.deepEqual(Object.keys(json).sort(), fieldsOf(StepStatusSchema));
    assert.deepEqual(Object.keys(json.outputs[0]!).sort(), fieldsOf(ArtifactSchema));
    assert.deepEqual(Object.keys(json.sequences[0]!).sort(), fieldsOf(DesignedSequenceSchema));
    assert.deepEqual(Object.keys(json.error!).sort(), fieldsOf(ErrorDetailSchema));
  });

  it("leaves out an absent error and absent times", () => {
    assert.deepEqual(stepStatusToJson(create(StepStatusSchema, { stepId: "a" })), {
      step_id: "a",
      state: "QUEUED",
      fraction: 0,
      outputs: [],
      sequences: [],
    });
  });

  for (const [fraction, json] of [
    [NaN, 0],
    [-0.5, 0],
    [Infinity, 1],
    [-Infinity, 0],
    [1.0000001, 1],
    [Math.fround(0.7), 0.7],
  ] as const)
    it(`writes the fraction ${fraction} as ${json}`, () => {
      assert.equal(stepStatusToJson(create(StepStatusSchema, { fraction })).fraction, json);
    });

  it("drops scores that are not finite", () => {
    const sequence = { fasta: ">", globalScore: NaN, seqRecovery: Infinity };
    assert.deepEqual(stepStatusToJson(create(StepStatusSchema, { sequences: [sequence] })).sequences, [
      { fasta: ">", sample_index: 0 },
    ]);
  });

  it("throws on a state that the contract does not know", () => {
    const state: JobState = JSON.parse("9");
    assert.throws(() => stepStatusToJson(create(StepStatusSchema, { state })), /unknown job state 9/);
  });
});

describe("workflowToJson", () => {
  it("flattens the spec into the workflow", () => {
    const json = workflowToJson(workflow);
    assert.equal(JSON.stringify(json), workflowJson);
    const flattened = fieldsOf(WorkflowSchema).filter((name) => name !== "spec");
    assert.deepEqual(Object.keys(json).sort(), [...flattened, "labels", "name", "steps"].sort());
  });

  it("shows a workflow without spec and times as an empty one from the epoch", () => {
    assert.deepEqual(workflowToJson(create(WorkflowSchema, { id: "w" })), {
      id: "w",
      name: "",
      state: "QUEUED",
      steps: [],
      labels: {},
      step_statuses: [],
      created_at: "1970-01-01T00:00:00.000Z",
      updated_at: "1970-01-01T00:00:00.000Z",
    });
  });
});

describe("workflowListToJson", () => {
  it("writes the workflows in their order, and the token", () => {
    const page = create(ListWorkflowsResponseSchema, {
      workflows: [workflow, create(WorkflowSchema, { id: "w2" })],
      nextPageToken: "t",
    });
    const json = workflowListToJson(page);
    assert.deepEqual(
      json.workflows.map(({ id }) => id),
      ["w1", "w2"],
    );
    assert.equal(json.next_page_token, "t");
    assert.equal(workflowListToJson(create(ListWorkflowsResponseSchema)).next_page_token, "");
  });
});

describe("workflowEventToJson", () => {
  const at = { seconds: 1767603603n };
  const tail = '"at":"2026-01-05T09:00:03.000Z"}';

  it("names and writes the update of a step", () => {
    const event = create(WorkflowEventSchema, {
      workflowId: "w1",
      event: { case: "stepUpdate", value: status },
      at,
      eventId: 7n,
    });
    const named = workflowEventToJson(event);
    assert.equal(named?.name, "step_update");
    assert.equal(JSON.stringify(named.data), `{"workflow_id":"w1","step_update":${statusJson},${tail}`);
  });

  it("names and writes the update of a workflow", () => {
    const event = create(WorkflowEventSchema, {
      workflowId: "w1",
      event: { case: "workflowUpdate", value: workflow },
      at,
    });
    const named = workflowEventToJson(event);
    assert.equal(named?.name, "workflow_update");
    assert.equal(JSON.stringify(named.data), `{"workflow_id":"w1","workflow_update":${workflowJson},${tail}`);
  });

  it("passes over an event of a kind that it does not know", () => {
    assert.equal(
      workflowEventToJson(create(WorkflowEventSchema, { workflowId: "w1", eventId: 3n })),
      undefined,
    );
  });
});
