import { create } from "@bufbuild/protobuf";
import type {
  Workflow,
  WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import {
  StepStatusSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { whenAborted, deferred } from "./stack.ts";
import type { UpstreamRpcs } from "./upstream.ts";

const { QUEUED, RUNNING, SUCCEEDED } = JobState;

/** The ids of a run's events: they increase, with gaps. */
export const eventIds: readonly bigint[] = [3n, 4n, 7n, 8n, 12n];

/** The label with the number of the run's events that a snapshot contains. */
export const storedLabel = "stored";

/** One workflow that is running; the test determines its progress. */
export class LiveRun {
  readonly #id: string;
  #stored = 0;
  #followers = 0;
  #news = deferred();
  #followersChanged = deferred();

  constructor(id: string) {
    this.#id = id;
  }

  /** How many streams are open. */
  get followers(): number {
    return this.#followers;
  }

  /** Continues until it has `stored` events. */
  advance(stored: number): void {
    this.#stored = Math.max(this.#stored, Math.min(stored, eventIds.length));
    this.#news.resolve();
    this.#news = deferred();
  }

  /** Resolves once exactly so many streams are open. */
  async hasFollowers(count: number): Promise<void> {
    while (this.#followers !== count) await this.#followersChanged.promise;
  }

  /** The current workflow. */
  get workflow(): Workflow {
    return this.#workflowAfter(this.#stored);
  }

  /** As an orchestrator streams: a snapshot first where `fromEventId` is 0; every later event; then live. */
  async *follow(fromEventId: bigint, aborted: AbortSignal): AsyncGenerator<WorkflowEvent> {
    this.#count(1);
    const gone = whenAborted(aborted);
    try {
      let next = fromEventId === 0n ? this.#stored : eventIds.filter((id) => id <= fromEventId).length;
      if (fromEventId === 0n) yield this.#event(0n, { case: "workflowUpdate", value: this.workflow });
      while (!aborted.aborted && next < eventIds.length) {
        if (next < this.#stored) yield this.#storedEvent(next++);
        else await Promise.race([this.#news.promise, gone]);
      }
    } finally {
      this.#count(-1);
    }
  }

  #count(change: number): void {
    this.#followers += change;
    this.#followersChanged.resolve();
    this.#followersChanged = deferred();
  }

  #workflowAfter(stored: number): Workflow {
    const state = stored === 0 ? QUEUED : stored === eventIds.length ? SUCCEEDED : RUNNING;
    return create(WorkflowSchema, {
      id: this.#id,
      // Characters of more than one byte, so that a stream can break within one.
      spec: { name: "é🧬", labels: { [storedLabel]: String(stored) } },
      state,
      updatedAt: { seconds: BigInt(stored) },
    });
  }

  #storedEvent(index: number): WorkflowEvent {
    const isOfWorkflow = index === 0 || index === eventIds.length - 1;
    const value = create(StepStatusSchema, { stepId: "é", state: RUNNING, fraction: index / 10 });
    return this.#event(
      eventIds[index]!,
      isOfWorkflow
        ? { case: "workflowUpdate", value: this.#workflowAfter(index + 1) }
        : { case: "stepUpdate", value },
    );
  }

  #event(eventId: bigint, event: WorkflowEvent["event"]): WorkflowEvent {
    return create(WorkflowEventSchema, { workflowId: this.#id, event, eventId, at: { seconds: eventId } });
  }
}

/** The RPCs of an orchestrator that has these runs. */
export function rpcsOf(runOf: (id: string) => LiveRun): UpstreamRpcs {
  return {
    getWorkflow: ({ workflowId }) => runOf(workflowId).workflow,
    streamWorkflowEvents: ({ workflowId, fromEventId }, { signal }) =>
      runOf(workflowId).follow(fromEventId, signal),
  };
}
