import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { TerminalState } from "./workflow-record.ts";

/** The metrics of the orchestrator. */
export interface Metrics {
  readonly contentType: string;
  /** The Prometheus text format of every metric. */
  render(): Promise<string>;
  countStepStart(): void;
  /** Counts the end of a step that has started. */
  countStepEnd(tool: string, outcome: TerminalState): void;
  /** Counts a workflow that has become terminal, `seconds` after its submission or retry. */
  observeWorkflow(state: TerminalState, seconds: number): void;
}

const terminalStates = [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED] as const;

/** Upper bounds of the durations of workflows, which take seconds in the sandbox and days on GPUs, in seconds. */
const durationBuckets = [1, 10, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 259_200];

/** Creates the metrics, with all values of their labels at 0: a rate needs a sample before the first count. */
export function createMetrics(tools: readonly string[]): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const workflows = new Counter({
    name: "foldforge_workflows_total",
    help: "Workflows that have become terminal, again after each retry.",
    labelNames: ["state"],
    registers,
  });
  const steps = new Counter({
    name: "foldforge_steps_total",
    help: "Steps that have started and ended, again after each retry.",
    labelNames: ["tool", "outcome"],
    registers,
  });
  const stepsInFlight = new Gauge({
    name: "foldforge_steps_in_flight",
    help: "Steps that are running.",
    registers,
  });
  const duration = new Histogram({
    name: "foldforge_workflow_duration_seconds",
    help: "Time from the submission or the retry of a workflow until it is terminal.",
    buckets: durationBuckets,
    registers,
  });
  for (const state of terminalStates) {
    workflows.inc({ state: JobState[state] }, 0);
    for (const tool of tools) steps.inc({ tool, outcome: JobState[state] }, 0);
  }

  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    countStepStart: () => stepsInFlight.inc(),
    countStepEnd(tool, outcome) {
      stepsInFlight.dec();
      steps.inc({ tool, outcome: JobState[outcome] });
    },
    observeWorkflow(state, seconds) {
      workflows.inc({ state: JobState[state] });
      duration.observe(seconds);
    },
  };
}
