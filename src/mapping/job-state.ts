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
} as const satisfies Record<Schema["StateFilter"], JobState>;

/** Whether this version of the contract knows the state. */
export function isKnownState(state: number): state is JobState {
  return Object.hasOwn(names, state);
}

/** The name of a state without its prefix; `UNKNOWN` for one that this version of the contract does not know. */
export function jobStateToJson(state: number): Schema["JobState"] {
  return isKnownState(state) ? names[state] : "UNKNOWN";
}

/** The state of that name. */
export function jobStateFromJson(name: Schema["StateFilter"]): JobState {
  return states[name];
}

/** Whether nothing more happens in this state unless it is retried. A state that is not known is not terminal. */
export function isTerminal(state: JobState): boolean {
  return state === JobState.SUCCEEDED || state === JobState.FAILED || state === JobState.CANCELLED;
}
