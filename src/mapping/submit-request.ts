import type { DescField, JsonObject } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { ResourceSpecSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StepSchema,
  SubmitWorkflowRequestSchema,
  WorkflowSpecSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { ReverseWriter } from "./reverse-writer.ts";
import { writeStructFromJson } from "./struct-from-json.ts";
import { keyTag, valueTag } from "./struct-tags.ts";
import { tagOf } from "./wire-reader.ts";

const { field: requestField } = SubmitWorkflowRequestSchema;
const { field: specField } = WorkflowSpecSchema;
const { field: stepField } = StepSchema;
const { field: resourceField } = ResourceSpecSchema;

/** Encodes the SubmitWorkflowRequest for a submission, in short slices, from the last byte to the first. */
export function* submitRequestFromJson(
  workflow: Schema["WorkflowSpec"],
  idempotencyKey: string,
): Generator<void, Uint8Array> {
  const out = new ReverseWriter();
  for (const step of workflow.steps.toReversed()) {
    yield* writeStep(step, out);
    yield;
  }
  for (const [key, value] of Object.entries(workflow.labels ?? {}).reverse()) writeLabel(key, value, out);
  writeString(specField.name, workflow.name, out);
  out.prefix(lengthDelimited(requestField.spec), 0);
  writeString(requestField.idempotencyKey, idempotencyKey, out);
  return out.finish();
}

function* writeStep(
  { id, tool, depends_on = [], params, resources }: Schema["Step"],
  out: ReverseWriter,
): Generator<void, void> {
  const before = out.length;
  if (params !== undefined) {
    // The contract types the known params and leaves the others open. All of them come from JSON.
    yield* writeStructFromJson(params as JsonObject, out);
    out.prefix(lengthDelimited(stepField.params), before);
  }
  if (resources !== undefined) writeResources(resources, out);
  for (const dependency of depends_on.toReversed()) {
    out.string(dependency);
    out.varint(lengthDelimited(stepField.dependsOn));
  }
  writeString(stepField.tool, tool, out);
  writeString(stepField.id, id, out);
  out.prefix(lengthDelimited(specField.steps), before);
}

function writeResources(
  { gpu_type = "", gpu_count = 0, cpu_cores = 0, memory_mb = 0, timeout_seconds = 0 }: Schema["ResourceSpec"],
  out: ReverseWriter,
): void {
  const before = out.length;
  writeUint32(resourceField.timeoutSeconds, timeout_seconds, out);
  writeUint32(resourceField.memoryMb, memory_mb, out);
  writeUint32(resourceField.cpuCores, cpu_cores, out);
  writeUint32(resourceField.gpuCount, gpu_count, out);
  writeString(resourceField.gpuType, gpu_type, out);
  out.prefix(lengthDelimited(stepField.resources), before);
}

function writeLabel(key: string, value: string, out: ReverseWriter): void {
  const before = out.length;
  out.string(value);
  out.varint(valueTag);
  out.string(key);
  out.varint(keyTag);
  out.prefix(lengthDelimited(specField.labels), before);
}

/** Leaves out the default of proto3, as every encoder does. */
function writeString(field: DescField, value: string, out: ReverseWriter): void {
  if (value === "") return;
  out.string(value);
  out.varint(lengthDelimited(field));
}

function writeUint32(field: DescField, value: number, out: ReverseWriter): void {
  if (value === 0) return;
  out.varint(value);
  out.varint(tagOf(field.number, WireType.Varint));
}

/** The tag of a field whose values have a length. */
function lengthDelimited({ number }: DescField): number {
  return tagOf(number, WireType.LengthDelimited);
}
