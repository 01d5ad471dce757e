import type { Step, WorkflowSpec } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Tool } from "./tools/tool.ts";

function duplicates(steps: readonly Step[]): string[] {
  const ids = steps.map(({ id }) => id);
  return ids.flatMap((id, i) => (ids.indexOf(id) < i ? [`steps[${i}].id: "${id}" is not unique`] : []));
}

function stepViolations(
  step: Step,
  index: number,
  ids: ReadonlySet<string>,
  tools: ReadonlyMap<string, Tool>,
): string[] {
  const tool = tools.get(step.tool);
  const violations = [
    ...(step.id === "" ? ["id: must not be empty"] : []),
    ...(tool === undefined ? [`tool: "${step.tool}" is not one of ${[...tools.keys()].join(", ")}`] : []),
    ...step.dependsOn.filter((id) => !ids.has(id)).map((id) => `depends_on: there is no step "${id}"`),
    ...(tool?.violations(step.params ?? {}) ?? []),
  ];
  return violations.map((violation) => `steps[${index}].${violation}`);
}

/** The steps that can never start: they are part of a cycle or depend on one. */
function stuckSteps(steps: readonly Step[]): readonly Step[] {
  const done = new Set<string>();
  let waiting = steps;
  for (;;) {
    const still = waiting.filter((step) => !step.dependsOn.every((id) => done.has(id)));
    if (still.length === waiting.length) return still;
    for (const step of waiting) if (!still.includes(step)) done.add(step.id);
    waiting = still;
  }
}

/** One cycle among stuck steps, its first id repeated at the end. */
function findCycle(stuck: readonly Step[]): string[] {
  const byId = new Map(stuck.map((step) => [step.id, step]));
  const path: string[] = [];
  let step = stuck[0];
  while (step !== undefined && !path.includes(step.id)) {
    path.push(step.id);
    step = byId.get(step.dependsOn.find((id) => byId.has(id)) ?? "");
  }
  return step === undefined ? path : [...path.slice(path.indexOf(step.id)), step.id];
}

/**
 * What is wrong with a spec, one line each; empty when it is valid: named, with unique ids, known tools, valid
 * params, no dangling dependency and no cycle.
 */
export function dagViolations(
  { name, steps }: WorkflowSpec,
  tools: ReadonlyMap<string, Tool>,
): readonly string[] {
  const ids = new Set(steps.map(({ id }) => id));
  const violations = [
    ...(name === "" ? ["name: must not be empty"] : []),
    ...(steps.length === 0 ? ["steps: there must be at least one"] : []),
    ...duplicates(steps),
    ...steps.flatMap((step, index) => stepViolations(step, index, ids, tools)),
  ];
  // A cycle is searched for only when every dependency exists.
  const stuck = violations.length === 0 ? stuckSteps(steps) : [];
  return stuck.length === 0 ? violations : [`steps: ${findCycle(stuck).join(" needs ")} is a cycle`];
}
