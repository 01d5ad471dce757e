import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Schema } from "../contract.ts";

const names = {
  [JobState.QUEUED]: "QUEUED",
  [JobState.RUNNING]: "RUNNING",
  [JobState.SUCCEEDED]: "SUCCEEDED",
  [JobState.FAILED]: "FAILED",
  [JobState.CANCELLED]: "CANCELLED",
  // The orchestrator has not set a state yet, so the job has not started.
  [JobState.UNSPECIFIED]: "QUEUED",
} as const satisfies Record<JobState, Schema["JobState"]>;

const states = {
  QUEUED: JobState.QUEUED,
  RUNNING: JobState.RUNNING,
  SUCCEEDED: JobState.SUCCEEDED,
  FAILED: JobState.FAILED,
  CANCELLED: JobState.CANCELLED,
} as const satisfies Record<Schema["JobState"], JobState>;

/** Whether this version of the contract defines the state. */
export function isKnownState(state: number): state is JobState {
  return Object.hasOwn(names, state);
}

/** The name of a state without its prefix; `UNKNOWN` for a state that this version of the contract does not define. */
export function jobStateToJson(state: number): Schema["JobState"] | "UNKNOWN" {
  return isKnownState(state) ? names[state] : "UNKNOWN";
}

export function jobStateFromJson(name: Schema["JobState"]): JobState {
  return states[name];
}

/** Whether the state changes only by a retry. An unknown state is not terminal. */
export function isTerminal(state: JobState): boolean {
  return state === JobState.SUCCEEDED || state === JobState.FAILED || state === JobState.CANCELLED;
}
