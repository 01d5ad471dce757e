import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import {
  ArtifactSchema,
  ErrorDetailSchema,
  JobState,
  ResourceSpecSchema,
} from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  DesignedSequenceSchema,
  ListWorkflowsResponseSchema,
  StepSchema,
  StepStatusSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { readWorkflowId } from "../../src/mapping/workflow.ts";
import { jsonOf, transcode, transcoders } from "./transcode.ts";

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

/** The text of that status; `href` is that of its file, with a comma after it. */
const statusTextWith = (href: string) =>
  '{"step_id":"fold","state":"FAILED","fraction":0.3,' +
  `"outputs":[{"name":"fold-0.pdb",${href}"uri":"r2://foldforge/artifacts/x.pdb","content_type":"chemical/x-pdb",` +
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

const workflowText =
  '{"id":"w1","name":"one","state":"RUNNING","steps":[{"id":"fold","tool":"af2","depends_on":[],"params":{}}],' +
  `"labels":{"team":"alpha"},"step_statuses":[${statusTextWith('"href":"/v1/workflows/w1/artifacts/artifacts/x.pdb",')}],` +
  '"created_at":"2026-01-05T09:00:00.000Z","updated_at":"2026-01-05T09:00:02.000Z"}';

const fieldsOf = ({ fields }: DescMessage) => fields.map(({ name }) => name).sort();

const statusTextOf = (message: MessageInitShape<typeof StepStatusSchema>) =>
  jsonOf(transcoders.stepStatus, StepStatusSchema, message);
const workflowTextOf = (message: MessageInitShape<typeof WorkflowSchema>) =>
  jsonOf(transcoders.workflow, WorkflowSchema, message);

/** A state that the contract does not define. */
const unknownState: JobState = JSON.parse("9");

describe("transcoders.stepStatus", () => {
  it("writes every field, and 64-bit integers without rounding", () => {
    const statusText = statusTextOf(status);
    assert.equal(statusText, statusTextWith(""));
    const json = JSON.parse(statusText);
    assert.deepEqual(Object.keys(json).sort(), fieldsOf(StepStatusSchema));
    assert.deepEqual(Object.keys(json.outputs[0]).sort(), ["name", ...fieldsOf(ArtifactSchema)].sort());
    assert.deepEqual(Object.keys(json.sequences[0]).sort(), fieldsOf(DesignedSequenceSchema));
    assert.deepEqual(Object.keys(json.error).sort(), fieldsOf(ErrorDetailSchema));
  });

  it("leaves out an absent error and absent times", () => {
    assert.equal(
      statusTextOf({ stepId: "a" }),
      '{"step_id":"a","state":"QUEUED","fraction":0,"outputs":[],"sequences":[]}',
    );
  });

  it("writes the defaults of proto3 for empty messages", () => {
    assert.equal(
      statusTextOf({ outputs: [{}], sequences: [{}], error: {}, startedAt: {} }),
      '{"step_id":"","state":"QUEUED","fraction":0,' +
        '"outputs":[{"name":"~e3b0c442-0","uri":"","content_type":"","size_bytes":0,"sha256":"","metrics":{}}],' +
        '"sequences":[{"fasta":"","global_score":0,"seq_recovery":0,"sample_index":0}],' +
        '"error":{"code":"","message":"","retryable":false},"started_at":"1970-01-01T00:00:00.000Z"}',
    );
  });

  for (const [fraction, json] of [
    [NaN, 0],
    [-0.5, 0],
    [Infinity, 1],
    [-Infinity, 0],
    [1.0000001, 1],
    [Math.fround(0.7), 0.7],
    [Math.fround(1e-45), 1.4013e-45],
  ] as const)
    it(`writes the fraction ${fraction} as ${json}`, () => {
      assert.equal(JSON.parse(statusTextOf({ fraction })).fraction, json);
    });

  it("leaves out scores and metrics that are not finite, and writes all others", () => {
    const sequences = [
      { fasta: ">", globalScore: NaN, seqRecovery: Infinity },
      { fasta: ">", globalScore: -0, seqRecovery: 5e-324 },
    ];
    assert.deepEqual(JSON.parse(statusTextOf({ sequences })).sequences, [
      { fasta: ">", sample_index: 0 },
      { fasta: ">", global_score: 0, seq_recovery: 5e-324, sample_index: 0 },
    ]);
    const metrics = { plddt: 91.2, zero: -0, tiny: 5e-324, nan: NaN, up: Infinity, down: -Infinity };
    assert.match(statusTextOf({ outputs: [{ metrics }] }), /"metrics":{"plddt":91.2,"tiny":5e-324,"zero":0}/);
  });

  it("writes a metric with the name __proto__", () => {
    // A map with one entry, `__proto__`: 1.
    const entry = Buffer.from("\x2a\x14\x0a\x09__proto__\x11\x00\x00\x00\x00\x00\x00\xf0\x3f", "latin1");
    const bytes = Buffer.concat([Buffer.of(0x22, entry.length), entry]);
    assert.match(
      Buffer.concat(transcode(transcoders.stepStatus, bytes).pieces()).toString(),
      /"metrics":{"__proto__":1}/,
    );
  });

  it("writes UNKNOWN for an unknown state, and records the correction", () => {
    const bytes = toBinary(StepStatusSchema, create(StepStatusSchema, { stepId: "a", state: unknownState }));
    const text = transcode(transcoders.stepStatus, bytes);
    assert.equal(JSON.parse(Buffer.concat(text.pieces()).toString()).state, "UNKNOWN");
    assert.deepEqual(text.corrections, [{ field: "state", workflowId: undefined }]);
  });

  it("leaves out times outside the range of RFC 3339, and records the corrections", () => {
    const startedAt = { seconds: 253_402_300_800n };
    const finishedAt = { nanos: -1 };
    const bytes = toBinary(StepStatusSchema, create(StepStatusSchema, { startedAt, finishedAt }));
    const text = transcode(transcoders.stepStatus, bytes);
    assert.doesNotMatch(Buffer.concat(text.pieces()).toString(), /_at/);
    assert.deepEqual(
      text.corrections.map(({ field }) => field),
      ["started_at", "finished_at"],
    );
  });
});

describe("transcoders.workflow", () => {
  it("flattens the spec into the workflow", () => {
    assert.equal(workflowTextOf(workflow), workflowText);
    const flattened = fieldsOf(WorkflowSchema).filter((name) => name !== "spec");
    assert.deepEqual(
      Object.keys(JSON.parse(workflowText)).sort(),
      [...flattened, "labels", "name", "steps"].sort(),
    );
  });

  it("writes the defaults of proto3 for a workflow without spec and times", () => {
    assert.equal(
      workflowTextOf({ id: "w" }),
      '{"id":"w","name":"","state":"QUEUED","steps":[],"labels":{},"step_statuses":[],' +
        '"created_at":"1970-01-01T00:00:00.000Z","updated_at":"1970-01-01T00:00:00.000Z"}',
    );
  });

  it("writes every field of a step, with dependencies in order and params sorted by key", () => {
    const resources = {
      gpuType: "a100",
      gpuCount: 4_294_967_295,
      cpuCores: 8,
      memoryMb: 65_536,
      timeoutSeconds: 1,
    };
    const steps = [
      { id: "b", tool: "af2", dependsOn: ["c", "a"], params: { z: [1, null], a: { y: true } }, resources },
      { id: "c", tool: "boltz", resources: {} },
    ];
    const text = workflowTextOf({ spec: { steps } });
    assert.ok(
      text.includes(
        '"steps":[{"id":"b","tool":"af2","depends_on":["c","a"],"params":{"a":{"y":true},"z":[1,null]},' +
          '"resources":{"gpu_type":"a100","gpu_count":4294967295,"cpu_cores":8,"memory_mb":65536,"timeout_seconds":1}},' +
          '{"id":"c","tool":"boltz","depends_on":[],"params":{},' +
          '"resources":{"gpu_type":"","gpu_count":0,"cpu_cores":0,"memory_mb":0,"timeout_seconds":0}}]',
      ),
      text,
    );
    const [step] = JSON.parse(text).steps;
    assert.deepEqual(Object.keys(step).sort(), fieldsOf(StepSchema));
    assert.deepEqual(Object.keys(step.resources).sort(), fieldsOf(ResourceSpecSchema));
  });

  it("writes labels sorted by name", () => {
    const labels = { b: "1", "10": "2", "9": "3", a: "", é: "\u2028" };
    assert.match(
      workflowTextOf({ spec: { labels } }),
      /"labels":{"10":"2","9":"3","a":"","b":"1","é":"\\u2028"}/,
    );
  });

  it("merges a spec that is encoded in two parts", () => {
    const part = (spec: MessageInitShape<typeof WorkflowSchema>["spec"]) =>
      toBinary(WorkflowSchema, create(WorkflowSchema, { spec }));
    const bytes = Buffer.concat([
      part({ name: "a", steps: [{ id: "a" }], labels: { k: "1" } }),
      part({ name: "b", steps: [{ id: "b" }], labels: { k: "2" } }),
    ]);
    const { name, steps, labels } = JSON.parse(
      Buffer.concat(transcode(transcoders.workflow, bytes).pieces()).toString(),
    );
    assert.deepEqual(
      [name, steps.map(({ id }: { id: string }) => id), labels],
      ["b", ["a", "b"], { k: "2" }],
    );
  });
});

describe("transcoders.workflowList", () => {
  it("writes the workflows in order, and the token", () => {
    const workflows = [workflow, create(WorkflowSchema, { id: "w2" })];
    const text = jsonOf(transcoders.workflowList, ListWorkflowsResponseSchema, {
      workflows,
      nextPageToken: "t",
    });
    assert.equal(
      text,
      `{"workflows":[${workflowText},${workflowTextOf({ id: "w2" })}],"next_page_token":"t"}`,
    );
    assert.equal(
      jsonOf(transcoders.workflowList, ListWorkflowsResponseSchema, {}),
      '{"workflows":[],"next_page_token":""}',
    );
  });

  it("records each correction with its workflow's id", () => {
    const page = create(ListWorkflowsResponseSchema, {
      workflows: [
        { id: "w1" },
        { id: "w2", state: unknownState, stepStatuses: [{ state: unknownState }] },
        { id: "w3", updatedAt: { nanos: -1 } },
      ],
    });
    assert.deepEqual(
      transcode(transcoders.workflowList, toBinary(ListWorkflowsResponseSchema, page)).corrections,
      [
        { field: "state", workflowId: "w2" },
        { field: "state", workflowId: "w2" },
        { field: "updated_at", workflowId: "w3" },
      ],
    );
  });
});

describe("readWorkflowId", () => {
  it("reads the id at any position in the message; an absent id is empty", () => {
    const bytes = toBinary(WorkflowSchema, workflow);
    assert.equal(readWorkflowId(bytes), "w1");
    const id = toBinary(WorkflowSchema, create(WorkflowSchema, { id: "last" }));
    assert.equal(readWorkflowId(Buffer.concat([bytes, id])), "last");
    assert.equal(readWorkflowId(new Uint8Array()), "");
  });
});
