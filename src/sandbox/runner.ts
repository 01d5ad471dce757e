import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ArtifactSchema,
  ErrorDetailSchema,
  JobState,
  type Artifact,
} from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Step } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Billing } from "./billing.ts";
import type { Metrics } from "./metrics.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Protein, Tool, ToolFile } from "./tools/tool.ts";
import {
  isTerminalState,
  type StepChange,
  type TerminalState,
  type WorkflowRecord,
} from "./workflow-record.ts";

/** Runs workflows. */
export interface Runner {
  /** Runs a new workflow, or continues one whose FAILED steps were queued again. */
  start(record: WorkflowRecord): void;
  /** Stops a workflow that is not terminal and makes its unfinished steps CANCELLED. */
  cancel(record: WorkflowRecord): void;
  /** Stops every run; resolves when no step is running. */
  close(): Promise<void>;
}

/** What a runner works with. */
export interface RunnerOptions {
  readonly tools: ReadonlyMap<string, Tool>;
  /** Where the files of steps are stored. */
  readonly store: ObjectStore;
  readonly billing: Billing;
  readonly metrics: Metrics;
  readonly stepSeconds: number;
  readonly now: () => number;
}

/** The state of a run between its steps and across retries. */
interface Run {
  readonly record: WorkflowRecord;
  readonly stop: AbortController;
  readonly attempts: Map<string, number>;
  readonly proteins: Map<string, readonly Protein[]>;
  active: number;
  /** When it was submitted or retried. */
  startedAt: number;
}

/** The fractions at which a step reports progress, evenly spaced in time; it ends one pause after the last. */
const reports = [0.25, 0.5, 0.75];

/** A failure that `params.sandbox_fail` requested. */
class DeliberateFailure extends Error {
  override readonly name = "DeliberateFailure";
}

function errorDetail(error: unknown) {
  if (error instanceof DeliberateFailure)
    return create(ErrorDetailSchema, { code: "SANDBOX_FAIL", message: error.message, retryable: true });
  return create(ErrorDetailSchema, { code: "INTERNAL", message: String(error), retryable: false });
}

/** Stores a file under the hash of its bytes. */
async function storeFile(
  store: ObjectStore,
  { text, extension, contentType, metrics }: ToolFile,
): Promise<Artifact> {
  const bytes = Buffer.from(text);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const key = `artifacts/${sha256}.${extension}`;
  await store.put(key, bytes, contentType);
  return create(ArtifactSchema, {
    uri: `r2://${store.bucket}/${key}`,
    contentType,
    sizeBytes: BigInt(bytes.length),
    sha256,
    metrics: { ...metrics },
  });
}

/** Creates a runner; any number of steps may run at once. */
export function createRunner({ tools, store, billing, metrics, stepSeconds, now }: RunnerOptions): Runner {
  const runs = new Map<WorkflowRecord, Run>();
  const working = new Set<Promise<void>>();
  const pauseMs = (stepSeconds * 1000) / (reports.length + 1);

  function toolOf(step: Step): Tool {
    const tool = tools.get(step.tool);
    if (tool === undefined) throw new RangeError(`there is no tool ${step.tool}`);
    return tool;
  }

  async function simulateWork({ record, stop, attempts }: Run, step: Step): Promise<void> {
    const pause = () => sleep(pauseMs, undefined, { signal: stop.signal });
    const attempt = (attempts.get(step.id) ?? 0) + 1;
    attempts.set(step.id, attempt);
    const failures = toolOf(step).failures(step.params ?? {});
    for (const fraction of reports) {
      await pause();
      record.updateStep(step.id, { fraction });
    }
    await pause();
    if (attempt <= failures)
      throw new DeliberateFailure(`failed on purpose, ${attempt} of ${failures} times`);
  }

  async function produce({ record, stop, proteins }: Run, step: Step) {
    const upstream = [...new Set(step.dependsOn)].flatMap((id) => proteins.get(id) ?? []);
    const input = { proteins: upstream, seed: `${record.workflow.id}/${step.id}` };
    const outputs = [];
    const made = [];
    const sequences = [];
    for (const file of toolOf(step).run(step.params ?? {}, input)) {
      outputs.push(await storeFile(store, file));
      stop.signal.throwIfAborted();
      made.push(...file.proteins);
      sequences.push(...file.sequences);
    }
    proteins.set(step.id, made);
    return { outputs, sequences };
  }

  async function runStep(run: Run, step: Step): Promise<void> {
    const { record, stop } = run;
    const startedAt = record.status(step.id).startedAt ?? timestampFromMs(now());
    record.updateStep(step.id, { state: JobState.RUNNING, startedAt });
    metrics.countStepStart();
    try {
      await simulateWork(run, step);
      const made = await produce(run, step);
      stop.signal.throwIfAborted();
      endStep(record, step, JobState.SUCCEEDED, { fraction: 1, ...made });
    } catch (error) {
      if (stop.signal.aborted) return;
      endStep(record, step, JobState.FAILED, { error: errorDetail(error) });
    }
    run.active -= 1;
    advance(run);
  }

  /** Ends a step that is running. */
  function endStep(record: WorkflowRecord, step: Step, state: TerminalState, change: StepChange = {}): void {
    metrics.countStepEnd(step.tool, state);
    record.updateStep(step.id, { ...change, state, finishedAt: timestampFromMs(now()) });
  }

  /** Starts the steps whose dependencies have succeeded; without any running step, the workflow is terminal. */
  function advance(run: Run): void {
    const { record } = run;
    const stateOf = (id: string) => record.status(id).state;
    const ready = record.steps.filter(
      ({ id, dependsOn }) =>
        stateOf(id) === JobState.QUEUED &&
        dependsOn.every((needed) => stateOf(needed) === JobState.SUCCEEDED),
    );
    run.active += ready.length;
    for (const step of ready) {
      const work = runStep(run, step).finally(() => working.delete(work));
      working.add(work);
    }
    if (run.active > 0) return;
    const failed = record.steps.some(({ id }) => stateOf(id) === JobState.FAILED);
    finish(run, failed ? JobState.FAILED : JobState.SUCCEEDED);
  }

  /** Makes a workflow terminal. What it has not run is refunded before anybody can see the state. */
  function finish({ record, startedAt }: Run, state: TerminalState): void {
    billing.refund(record.principal, record.workflow.id, record.countUnstarted());
    metrics.observeWorkflow(state, (now() - startedAt) / 1000);
    record.setState(state);
    // Only a failed workflow can be retried; its retry needs what the finished steps made.
    if (state !== JobState.FAILED) runs.delete(record);
  }

  return {
    start(record) {
      const run = runs.get(record) ?? {
        record,
        stop: new AbortController(),
        attempts: new Map(),
        proteins: new Map(),
        active: 0,
        startedAt: 0,
      };
      run.startedAt = now();
      runs.set(record, run);
      record.setState(JobState.RUNNING);
      advance(run);
    },
    cancel(record) {
      const run = runs.get(record);
      if (run === undefined) throw new RangeError(`workflow ${record.workflow.id} does not run`);
      run.stop.abort();
      for (const step of record.steps) {
        const { state } = record.status(step.id);
        if (state === JobState.RUNNING) endStep(record, step, JobState.CANCELLED);
        else if (!isTerminalState(state))
          record.updateStep(step.id, { state: JobState.CANCELLED, finishedAt: timestampFromMs(now()) });
      }
      finish(run, JobState.CANCELLED);
    },
    async close() {
      for (const { stop } of runs.values()) stop.abort();
      await Promise.allSettled(working);
    },
  };
}
