import { WireType } from "@bufbuild/protobuf/wire";
import { ResourceSpecSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  ListWorkflowsResponseSchema,
  StepSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { messageJson } from "./message-json.ts";
import type { MessageJson } from "./message-json.ts";
import { stepStatusJson } from "./step-status.ts";
import { epoch } from "./time.ts";
import { tagOf, WireReader } from "./wire.ts";

const resources = messageJson(ResourceSpecSchema, [
  "gpu_type",
  "gpu_count",
  "cpu_cores",
  "memory_mb",
  "timeout_seconds",
]);

const step = messageJson(StepSchema, ["id", "tool", "depends_on", "params", "resources"], {
  resources: { message: resources },
});

/** The same, with the id of the workflow noted beside values that cannot be told. */
function withId(workflow: MessageJson): MessageJson {
  return {
    write(reader, end, out) {
      const start = reader.pos;
      workflow.write(reader, end, out);
      out.assignUnusable(() => idAt(reader, start, end));
    },
    *writeInSteps(reader, end, out) {
      const start = reader.pos;
      yield* workflow.writeInSteps(reader, end, out);
      out.assignUnusable(() => idAt(reader, start, end));
    },
  };
}

/** The id of the Workflow in `bytes`. */
export function readWorkflowId(bytes: Uint8Array): string {
  return idAt(new WireReader(bytes), 0, bytes.length);
}

function idAt(reader: WireReader, start: number, end: number): string {
  let id = "";
  reader.pos = start;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tagOf(WorkflowSchema.field.id.number, WireType.LengthDelimited)) id = reader.string();
    else reader.skipValue(tag, end);
  }
  return id;
}

/** A workflow with its spec flattened into it. */
export const workflowJson = withId(
  messageJson(
    WorkflowSchema,
    [
      "id",
      // What the spec holds is the workflow's own here.
      "spec.name",
      "state",
      "spec.steps",
      "spec.labels",
      "step_statuses",
      "created_at",
      "updated_at",
    ],
    {
      "spec.steps": { message: step },
      step_statuses: { message: stepStatusJson },
      created_at: { absent: `"${epoch}"` },
      updated_at: { absent: `"${epoch}"` },
    },
  ),
);

/** One page of workflows. */
export const workflowListJson = messageJson(ListWorkflowsResponseSchema, ["workflows", "next_page_token"], {
  workflows: { message: workflowJson },
});
