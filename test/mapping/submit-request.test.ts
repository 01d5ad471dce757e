import assert from "node:assert/strict";
import { create, fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ResourceSpecSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StepSchema,
  SubmitWorkflowRequestSchema,
  WorkflowSpecSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../../src/contract.ts";
import { submitRequestFromJson } from "../../src/mapping/submit-request.ts";
import { runSync } from "../../src/load-shedding/task-queue.ts";
import { submissionToMessage } from "../support/reference-mapping.ts";
import { struct, text } from "./arbitraries.ts";

/** A submission with a value other than the default in every field. */
const full: Schema["WorkflowSpec"] = {
  name: "all fields",
  labels: { team: "alpha", empty: "" },
  steps: [
    { id: "a", tool: "boltz", depends_on: [], params: {} },
    {
      id: "b",
      tool: "af2",
      depends_on: ["a", "c"],
      params: { msa_cache_policy: "USE_CACHE", own: { deep: [1, null, "x", { y: true }] } },
      resources: {
        gpu_type: "a100-80gb",
        gpu_count: 4_294_967_295,
        cpu_cores: 8,
        memory_mb: 65_536,
        timeout_seconds: 3600,
      },
    },
  ],
};

const uint32 = fc.nat(2 ** 32 - 1);
const submission = fc.record(
  {
    name: text,
    labels: fc.dictionary(text, text),
    steps: fc.array(
      fc.record(
        {
          id: text,
          tool: fc.constantFrom("af2", "boltz", "proteinmpnn", "rfdiffusion"),
          depends_on: fc.array(text),
          params: struct,
          resources: fc.record(
            {
              gpu_type: text,
              gpu_count: uint32,
              cpu_cores: uint32,
              memory_mb: uint32,
              timeout_seconds: uint32,
            },
            { requiredKeys: [] },
          ),
        },
        { requiredKeys: ["id", "tool"] },
      ),
    ),
  },
  { requiredKeys: ["name", "steps"] },
);

/** The message that arrives at the orchestrator. */
function arrived(spec: Schema["WorkflowSpec"], idempotencyKey = "") {
  return fromBinary(SubmitWorkflowRequestSchema, runSync(submitRequestFromJson(spec, idempotencyKey)));
}

describe("submitRequestFromJson", () => {
  it("maps every field, and preserves it over the wire", () => {
    const { spec, idempotencyKey } = arrived(full, "key «1»");
    assert.equal(idempotencyKey, "key «1»");
    assert.equal(spec?.name, "all fields");
    assert.deepEqual({ ...spec.labels }, full.labels);
    const [first, step] = spec.steps;
    assert.deepEqual([first?.id, first?.params, first?.resources], ["a", {}, undefined]);
    assert.deepEqual([step?.id, step?.tool, step?.dependsOn], ["b", "af2", ["a", "c"]]);
    assert.deepEqual(step?.params, full.steps[1]?.params);
    assert.deepEqual(
      step?.resources,
      create(ResourceSpecSchema, {
        gpuType: "a100-80gb",
        gpuCount: 4_294_967_295,
        cpuCores: 8,
        memoryMb: 65_536,
        timeoutSeconds: 3600,
      }),
    );
  });

  it("encodes the same message as the reference", () => {
    assert.deepEqual(arrived(full, "k"), submissionToMessage(full, "k"));
    fc.assert(
      fc.property(submission, text, (spec, key) => {
        // Submissions come from JSON, where -0 becomes 0.
        const parsed: Schema["WorkflowSpec"] = JSON.parse(JSON.stringify(spec));
        assert.deepEqual(arrived(parsed, key), submissionToMessage(parsed, key));
      }),
    );
  });

  it("leaves out absent fields", () => {
    const { spec } = arrived({ name: "n", steps: [{ id: "a", tool: "af2" }] });
    assert.deepEqual(spec, create(WorkflowSpecSchema, { name: "n", steps: [{ id: "a", tool: "af2" }] }));
    assert.equal(spec.steps[0]?.params, undefined);
    assert.equal(spec.steps[0]?.resources, undefined);
  });

  it("leaves out absent resources, which the scheduler then chooses", () => {
    const { spec } = arrived({ name: "n", steps: [{ id: "a", tool: "af2", resources: {} }] });
    assert.deepEqual(spec?.steps[0]?.resources, create(ResourceSpecSchema));
  });

  it("maps every field of the messages", () => {
    const fieldsOf = ({ fields }: { fields: readonly { name: string }[] }) =>
      fields.map(({ name }) => name).sort();
    assert.deepEqual(Object.keys(full).sort(), fieldsOf(WorkflowSpecSchema));
    assert.deepEqual(Object.keys(full.steps[1]!).sort(), fieldsOf(StepSchema));
    assert.deepEqual(Object.keys(full.steps[1]!.resources!).sort(), fieldsOf(ResourceSpecSchema));
    assert.deepEqual(fieldsOf(SubmitWorkflowRequestSchema), ["idempotency_key", "spec"]);
  });
});
