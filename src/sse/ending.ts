import { equals } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type {
  Workflow,
  WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { isTerminal } from "../mapping/job-state.ts";

/** How a workflow ended, and when. */
export interface Ending {
  readonly state: JobState;
  readonly updatedAt?: Timestamp | undefined;
}

/** How `workflow` ended, without the rest of it; undefined while it has not. */
export function endingOf({ state, updatedAt }: Workflow): Ending | undefined {
  return isTerminal(state) ? { state, updatedAt } : undefined;
}

/** Whether a retry may lead on from this terminal state: only a FAILED workflow can be retried. */
export function canBeRetried(state: JobState): boolean {
  return state === JobState.FAILED;
}

/** Whether it was this stored event that brought a workflow to its ending. One that fails again has another time. */
export function bringsAbout({ event }: WorkflowEvent, { state, updatedAt }: Ending): boolean {
  if (event.case !== "workflowUpdate" || event.value.state !== state) return false;
  if (!canBeRetried(state)) return true;
  const time = event.value.updatedAt;
  return time !== undefined && updatedAt !== undefined && equals(TimestampSchema, time, updatedAt);
}
