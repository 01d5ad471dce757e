import { equals } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import type { EventStatus, WorkflowStatus } from "../mapping/workflow-event.ts";

/** How a workflow ended, and when. */
export type TerminalStatus = WorkflowStatus;

/** How a workflow ended; undefined while it has not. */
export function terminalStatusOf(status: WorkflowStatus): TerminalStatus | undefined {
  return isTerminal(status.state) ? status : undefined;
}

/** Whether a retry may lead on from this terminal state: only a FAILED workflow can be retried. */
export function canBeRetried(state: JobState): boolean {
  return state === JobState.FAILED;
}

/** Whether it was this stored event that brought a workflow to its ending. One that fails again has another time. */
export function bringsAbout({ event }: EventStatus, { state, updatedAt }: TerminalStatus): boolean {
  if (event.case !== "workflowUpdate" || event.value.state !== state) return false;
  if (!canBeRetried(state)) return true;
  const time = event.value.updatedAt;
  return time !== undefined && updatedAt !== undefined && equals(TimestampSchema, time, updatedAt);
}
