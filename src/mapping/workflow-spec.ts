import { create } from "@bufbuild/protobuf";
import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { WorkflowSpecSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type {
  Step,
  StepSchema,
  WorkflowSpec,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";

/** The message for a submission. */
export function workflowSpecFromJson(spec: Schema["WorkflowSpec"]): WorkflowSpec {
  return create(WorkflowSpecSchema, {
    name: spec.name,
    steps: spec.steps.map(stepFromJson),
    labels: spec.labels ?? {},
  });
}

function stepFromJson(step: Schema["Step"]): MessageInitShape<typeof StepSchema> {
  const { id, tool, depends_on, params, resources } = step;
  return {
    id,
    tool,
    dependsOn: depends_on ?? [],
    // The contract types what it knows of params and leaves the rest open; all of it came out of JSON.parse.
    ...(params === undefined ? {} : { params: params as JsonObject }),
    ...(resources === undefined ? {} : { resources: resourcesFromJson(resources) }),
  };
}

function resourcesFromJson(resources: Schema["ResourceSpec"]) {
  return {
    gpuType: resources.gpu_type ?? "",
    gpuCount: resources.gpu_count ?? 0,
    cpuCores: resources.cpu_cores ?? 0,
    memoryMb: resources.memory_mb ?? 0,
    timeoutSeconds: resources.timeout_seconds ?? 0,
  };
}

/** The steps of a workflow, as they were submitted. */
export function stepToJson(step: Step): Schema["Step"] {
  const { resources } = step;
  // The orchestrator accepted the step, so its tool is one of the contract's and its params fit the tool.
  return {
    id: step.id,
    tool: step.tool,
    depends_on: step.dependsOn,
    params: step.params ?? {},
    ...(resources === undefined
      ? {}
      : {
          resources: {
            gpu_type: resources.gpuType,
            gpu_count: resources.gpuCount,
            cpu_cores: resources.cpuCores,
            memory_mb: resources.memoryMb,
            timeout_seconds: resources.timeoutSeconds,
          },
        }),
  } as Schema["Step"];
}
