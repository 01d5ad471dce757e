import type { Schema } from "../contract.ts";

/** In which order the steps of a sound submission can run. Steps that could change places keep those they were given. */
export function workflowPlanFrom({ name, steps }: Schema["WorkflowSpec"]): Schema["WorkflowPlan"] {
  const levelOf = createLevels(steps);
  const planned = steps.map((step) => ({
    id: step.id,
    tool: step.tool,
    depends_on: step.depends_on ?? [],
    level: levelOf(step.id),
  }));
  const levels: string[][] = [];
  for (const { id, level } of planned) (levels[level] ??= []).push(id);
  return { name, steps: planned, order: levels.flat(), levels };
}

/** Tells how many steps must run one after the other before the step of an id; `steps` make no cycle. */
function createLevels(steps: readonly Schema["Step"][]): (id: string) => number {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const levels = new Map<string, number>();

  return function levelOf(id) {
    const known = levels.get(id);
    if (known !== undefined) return known;
    const level = Math.max(0, ...(byId.get(id)?.depends_on ?? []).map((needed) => levelOf(needed) + 1));
    levels.set(id, level);
    return level;
  };
}
