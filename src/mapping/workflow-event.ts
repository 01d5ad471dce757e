import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { stepStatusToJson } from "./step-status.ts";
import { timeToJson } from "./time.ts";
import { workflowToJson } from "./workflow.ts";

/** The name of an event in the stream, and its data. */
interface NamedEvent {
  readonly name: "step_update" | "workflow_update";
  readonly data: Schema["WorkflowEvent"];
}

/** An event for the stream; undefined for a kind that this version of the contract does not know. */
export function workflowEventToJson({ workflowId, event, at }: WorkflowEvent): NamedEvent | undefined {
  switch (event.case) {
    case "stepUpdate": {
      const data = {
        workflow_id: workflowId,
        step_update: stepStatusToJson(event.value),
        at: timeToJson(at),
      };
      return { name: "step_update", data };
    }
    case "workflowUpdate": {
      const data = {
        workflow_id: workflowId,
        workflow_update: workflowToJson(event.value),
        at: timeToJson(at),
      };
      return { name: "workflow_update", data };
    }
    case undefined:
      return undefined;
  }
}
