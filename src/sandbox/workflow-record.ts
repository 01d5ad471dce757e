import { create, toBinary, type UnknownField } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StepStatusSchema,
  WorkflowSchema,
  WorkflowSpecSchema,
  type Step,
  type StepStatus,
  type Workflow,
  type WorkflowSpec,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createEventLog, type EventLog } from "./event-log.ts";

/** What changes of a step. */
export type StepChange = Partial<Omit<StepStatus, "$typeName" | "$unknown" | "stepId">>;

/** One workflow with its history. Every change is one event of the log. */
export interface WorkflowRecord {
  /** Who submitted it; undefined for the admin token. */
  readonly principal: string | undefined;
  readonly log: EventLog;
  readonly spec: WorkflowSpec;
  readonly steps: readonly Step[];
  /**
   * The current state. A change replaces the object, so that earlier readers keep what they read. Its spec is encoded,
   * as an unknown field: it never changes, may hold hundreds of thousands of values, and is sent with each update.
   */
  readonly workflow: Workflow;
  status(stepId: string): StepStatus;
  updateStep(stepId: string, change: StepChange): void;
  setState(state: JobState): void;
  isTerminal(): boolean;
  /** How many steps have never started, not even before a retry. */
  countUnstarted(): number;
}

/** What a new workflow is made from. */
export interface NewWorkflow {
  readonly id: string;
  readonly principal: string | undefined;
  readonly spec: WorkflowSpec;
  readonly now: () => number;
}

/** A state that only a retry changes. */
export type TerminalState = JobState.SUCCEEDED | JobState.FAILED | JobState.CANCELLED;

export function isTerminalState(state: JobState): state is TerminalState {
  return state === JobState.SUCCEEDED || state === JobState.FAILED || state === JobState.CANCELLED;
}

function encodedSpec(spec: WorkflowSpec): UnknownField {
  const data = new BinaryWriter().bytes(toBinary(WorkflowSpecSchema, spec)).finish();
  return { no: WorkflowSchema.field.spec.number, wireType: WireType.LengthDelimited, data };
}

/** Creates a QUEUED workflow; its log holds that as the first event. */
export function createWorkflowRecord({ id, principal, spec, now }: NewWorkflow): WorkflowRecord {
  const log = createEventLog(id);
  const createdAt = timestampFromMs(now());
  const stepStatuses = spec.steps.map((step) =>
    create(StepStatusSchema, { stepId: step.id, state: JobState.QUEUED }),
  );
  let workflow: Workflow = {
    ...create(WorkflowSchema, { id, state: JobState.QUEUED, stepStatuses, createdAt, updatedAt: createdAt }),
    $unknown: [encodedSpec(spec)],
  };
  log.append({ case: "workflowUpdate", value: workflow }, createdAt);

  function status(stepId: string): StepStatus {
    const found = workflow.stepStatuses.find((candidate) => candidate.stepId === stepId);
    if (found === undefined) throw new RangeError(`workflow ${id} has no step ${stepId}`);
    return found;
  }

  return {
    principal,
    log,
    spec,
    steps: spec.steps,
    get workflow() {
      return workflow;
    },
    status,
    updateStep(stepId, change) {
      const before = status(stepId);
      const after = { ...before, ...change };
      const updatedAt = timestampFromMs(now());
      const statuses = workflow.stepStatuses.map((other) => (other === before ? after : other));
      workflow = { ...workflow, stepStatuses: statuses, updatedAt };
      log.append({ case: "stepUpdate", value: after }, updatedAt);
    },
    setState(state) {
      const updatedAt = timestampFromMs(now());
      workflow = { ...workflow, state, updatedAt };
      log.append({ case: "workflowUpdate", value: workflow }, updatedAt);
    },
    isTerminal: () => isTerminalState(workflow.state),
    countUnstarted: () => workflow.stepStatuses.filter(({ startedAt }) => startedAt === undefined).length,
  };
}
