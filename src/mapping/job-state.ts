import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Schema } from "../contract.ts";

const names = {
  [JobState.QUEUED]: "QUEUED",
  [JobState.RUNNING]: "RUNNING",
  [JobState.SUCCEEDED]: "SUCCEEDED",
  [JobState.FAILED]: "FAILED",
  [JobState.CANCELLED]: "CANCELLED",
  // Nothing is known of the job yet, which is how a job begins.
  [JobState.UNSPECIFIED]: "QUEUED",
} as const satisfies Record<JobState, Schema["JobState"]>;

const states = {
  QUEUED: JobState.QUEUED,
  RUNNING: JobState.RUNNING,
  SUCCEEDED: JobState.SUCCEEDED,
  FAILED: JobState.FAILED,
  CANCELLED: JobState.CANCELLED,
} as const satisfies Record<Schema["JobState"], JobState>;

/** The name of a state without its prefix; throws on a number that this version of the contract does not know. */
export function jobStateToJson(state: JobState): Schema["JobState"] {
  const known: Partial<Record<number, Schema["JobState"]>> = names;
  const name = known[state];
  if (name === undefined) throw new Error(`the orchestrator sent the unknown job state ${state}`);
  return name;
}

/** The state of that name. */
export function jobStateFromJson(name: Schema["JobState"]): JobState {
  return states[name];
}

/** Whether nothing more happens in this state unless it is retried. */
export function isTerminal(state: JobState): boolean {
  return state === JobState.SUCCEEDED || state === JobState.FAILED || state === JobState.CANCELLED;
}
