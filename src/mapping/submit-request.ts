import { create, toBinary } from "@bufbuild/protobuf";
import type { JsonObject } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ResourceSpecSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StepSchema,
  SubmitWorkflowRequestSchema,
  WorkflowSpecSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { structFromJson } from "./struct-from-json.ts";

const { spec } = SubmitWorkflowRequestSchema.field;
const { steps } = WorkflowSpecSchema.field;
const { params } = StepSchema.field;

/** Encodes the SubmitWorkflowRequest for a submission, in short slices. */
export function* submitRequestFromJson(
  workflow: Schema["WorkflowSpec"],
  idempotencyKey: string,
): Generator<void, Uint8Array> {
  const fields = create(WorkflowSpecSchema, {
    name: workflow.name,
    labels: workflow.labels ?? {},
  });
  const writer = new BinaryWriter();
  writer.raw(toBinary(SubmitWorkflowRequestSchema, create(SubmitWorkflowRequestSchema, { idempotencyKey })));
  writer.tag(spec.number, WireType.LengthDelimited).fork();
  writer.raw(toBinary(WorkflowSpecSchema, fields));
  for (const step of workflow.steps) {
    writer.tag(steps.number, WireType.LengthDelimited).bytes(yield* stepFromJson(step));
    yield;
  }
  return writer.join().finish();
}

function* stepFromJson(step: Schema["Step"]): Generator<void, Uint8Array> {
  const { id, tool, depends_on, resources } = step;
  const message = create(StepSchema, {
    id,
    tool,
    dependsOn: depends_on ?? [],
    ...(resources === undefined ? {} : { resources: resourcesFromJson(resources) }),
  });
  const writer = new BinaryWriter().raw(toBinary(StepSchema, message));
  if (step.params === undefined) return writer.finish();
  // The contract types the known params and leaves the others open. All of them come from JSON.
  const object = step.params as JsonObject;
  const struct = yield* structFromJson(object);
  yield;
  return writer.tag(params.number, WireType.LengthDelimited).bytes(struct).finish();
}

function resourcesFromJson(resources: Schema["ResourceSpec"]) {
  return create(ResourceSpecSchema, {
    gpuType: resources.gpu_type ?? "",
    gpuCount: resources.gpu_count ?? 0,
    cpuCores: resources.cpu_cores ?? 0,
    memoryMb: resources.memory_mb ?? 0,
    timeoutSeconds: resources.timeout_seconds ?? 0,
  });
}
