import type { Schema } from "../contract.ts";

/**
 * The order in which the steps of a valid submission can run, and their price if that of a step is known. Independent
 * steps keep their order in the submission.
 */
export function workflowPlanFromSpec(
  { name, steps }: Schema["WorkflowSpec"],
  pricePerStep: number | undefined,
): Schema["WorkflowPlan"] {
  const levelOf = createLevels(steps);
  const planned = steps.map((step) => ({
    id: step.id,
    tool: step.tool,
    depends_on: step.depends_on ?? [],
    level: levelOf(step.id),
  }));
  const levels: string[][] = [];
  for (const { id, level } of planned) (levels[level] ??= []).push(id);
  return {
    name,
    steps: planned,
    order: levels.flat(),
    levels,
    ...(pricePerStep === undefined ? {} : { price: pricePerStep * steps.length }),
  };
}

/** Returns a function from a step's id to the length of the longest chain of its dependencies. `steps` have no cycle. */
function createLevels(steps: readonly Schema["Step"][]): (id: string) => number {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const levels = new Map<string, number>();

  return function levelOf(id) {
    const known = levels.get(id);
    if (known !== undefined) return known;
    const level = Math.max(
      0,
      ...(byId.get(id)?.depends_on ?? []).map((dependency) => levelOf(dependency) + 1),
    );
    levels.set(id, level);
    return level;
  };
}
