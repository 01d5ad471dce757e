import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorDetailSchema, JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Step } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { ArtifactWriter } from "./artifact-writer.ts";
import type { Billing } from "./billing.ts";
import type { Chain, Tool } from "./tools/tool.ts";
import { isTerminalState, type WorkflowRecord } from "./workflow-record.ts";

/** Runs workflows. */
export interface Runner {
  /** Runs a new workflow, or goes on with one whose FAILED steps were queued again. */
  start(record: WorkflowRecord): void;
  /** Stops a workflow that is not terminal and makes its unfinished steps CANCELLED. */
  cancel(record: WorkflowRecord): void;
  /** Stops everything where it is; resolves when nothing runs any more. */
  close(): Promise<void>;
}

/** What a runner works with. */
export interface RunnerOptions {
  readonly tools: ReadonlyMap<string, Tool>;
  readonly artifacts: ArtifactWriter;
  readonly billing: Billing;
  readonly stepSeconds: number;
  readonly now: () => number;
}

/** What a run has to remember between its steps and over a retry. */
interface Run {
  readonly record: WorkflowRecord;
  readonly stop: AbortController;
  readonly attempts: Map<string, number>;
  readonly chains: Map<string, readonly Chain[]>;
  active: number;
}

/** The fractions at which a step reports, evenly spaced in time; the end follows one pause after the last. */
const reports = [0.25, 0.5, 0.75];

/** A failure that was asked for with `params.sandbox_fail`. */
class DeliberateFailure extends Error {
  override readonly name = "DeliberateFailure";
}

function errorDetail(error: unknown) {
  if (error instanceof DeliberateFailure)
    return create(ErrorDetailSchema, { code: "SANDBOX_FAIL", message: error.message, retryable: true });
  return create(ErrorDetailSchema, { code: "INTERNAL", message: String(error), retryable: false });
}

/** Builds a runner with room for any number of steps at once. */
export function createRunner({ tools, artifacts, billing, stepSeconds, now }: RunnerOptions): Runner {
  const runs = new Map<WorkflowRecord, Run>();
  const working = new Set<Promise<void>>();
  const pauseMs = (stepSeconds * 1000) / (reports.length + 1);

  function toolOf(step: Step): Tool {
    const tool = tools.get(step.tool);
    if (tool === undefined) throw new RangeError(`there is no tool ${step.tool}`);
    return tool;
  }

  async function pretendToWork({ record, stop, attempts }: Run, step: Step): Promise<void> {
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

  async function produce({ record, stop, chains }: Run, step: Step) {
    const upstream = [...new Set(step.dependsOn)].flatMap((id) => chains.get(id) ?? []);
    const input = { chains: upstream, seed: `${record.workflow.id}/${step.id}` };
    const outputs = [];
    const made = [];
    const sequences = [];
    for (const file of toolOf(step).run(step.params ?? {}, input)) {
      outputs.push(await artifacts.write(file));
      stop.signal.throwIfAborted();
      made.push(...file.chains);
      sequences.push(...file.sequences);
    }
    chains.set(step.id, made);
    return { outputs, sequences };
  }

  async function runStep(run: Run, step: Step): Promise<void> {
    const { record, stop } = run;
    const startedAt = record.status(step.id).startedAt ?? timestampFromMs(now());
    record.updateStep(step.id, { state: JobState.RUNNING, startedAt });
    try {
      await pretendToWork(run, step);
      const made = await produce(run, step);
      if (record.principal !== undefined) {
        const reason = `${step.tool} step ${step.id} of workflow ${record.workflow.id}`;
        billing.book(record.principal, -toolOf(step).credits, reason);
      }
      const finishedAt = timestampFromMs(now());
      record.updateStep(step.id, { state: JobState.SUCCEEDED, fraction: 1, finishedAt, ...made });
    } catch (error) {
      if (stop.signal.aborted) return;
      const finishedAt = timestampFromMs(now());
      record.updateStep(step.id, { state: JobState.FAILED, finishedAt, error: errorDetail(error) });
    }
    run.active -= 1;
    advance(run);
  }

  /** Starts what can start; with nothing left to run, the workflow is over. */
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
    record.setState(failed ? JobState.FAILED : JobState.SUCCEEDED);
    // Only a failed workflow can be retried, and then needs to know what its finished steps made.
    if (!failed) runs.delete(record);
  }

  return {
    start(record) {
      const run = runs.get(record) ?? {
        record,
        stop: new AbortController(),
        attempts: new Map(),
        chains: new Map(),
        active: 0,
      };
      runs.set(record, run);
      record.setState(JobState.RUNNING);
      advance(run);
    },
    cancel(record) {
      runs.get(record)?.stop.abort();
      runs.delete(record);
      const finishedAt = timestampFromMs(now());
      for (const { stepId, state } of record.workflow.stepStatuses)
        if (!isTerminalState(state)) record.updateStep(stepId, { state: JobState.CANCELLED, finishedAt });
      record.setState(JobState.CANCELLED);
    },
    async close() {
      for (const { stop } of runs.values()) stop.abort();
      await Promise.allSettled(working);
    },
  };
}
