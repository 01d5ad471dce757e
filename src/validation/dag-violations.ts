import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { didYouMean } from "../nearest-name.ts";
import { isObject } from "./json-object.ts";

/** The contract's `maxItems` of `steps` and of `depends_on`. */
const maxLength = 256;

/** The contract's `maxLength` of an id, in code units. */
const maxIdLength = 2 * 128;

/** The maximum number of violations that suggest an id. Each compares all ids, and one wrong id is repeated often. */
const maxSuggestions = 10;

/** A step as a node of the graph. */
interface Node {
  readonly pointer: string;
  readonly id: string;
  readonly dependsOn: readonly unknown[];
}

/**
 * Why the steps of a submission are not a DAG: duplicate ids, dependencies that do not exist, cycles. `body` may have
 * any shape; parts that the schema rejects are skipped. Returns at most `maxViolations`.
 */
export function dagViolations(body: unknown): Violation[] {
  const violations: Violation[] = [];
  const nodes = nodesOf(body);
  const byId = new Map<string, Node>();
  for (const node of nodes) {
    const first = byId.get(node.id);
    if (first === undefined) byId.set(node.id, node);
    else violations.push({ path: `${node.pointer}/id`, message: `is already the id of ${first.pointer}` });
  }
  for (const node of nodes) {
    for (const [index, id] of node.dependsOn.entries()) {
      if (!isId(id) || byId.has(id) || violations.length >= maxViolations) continue;
      const suggestion = violations.length < maxSuggestions ? didYouMean(id, [...byId.keys()]) : "";
      const message = `is not the id of a step: ${JSON.stringify(id)}${suggestion}`;
      violations.push(dependencyViolation(node, index, message));
    }
  }
  addCycleViolations(violations, nodes, byId);
  return violations.slice(0, maxViolations);
}

function dependencyViolation({ pointer }: Node, index: number, message: string): Violation {
  return { path: `${pointer}/depends_on/${index}`, message };
}

function nodesOf(body: unknown): Node[] {
  const steps = isObject(body) ? body["steps"] : undefined;
  // The schema rejects longer lists, and the searches below would take long.
  if (!Array.isArray(steps) || steps.length > maxLength) return [];
  return steps.flatMap((step: unknown, index): Node[] => {
    if (!isObject(step) || !isId(step["id"])) return [];
    const dependsOn: unknown[] = Array.isArray(step["depends_on"]) ? step["depends_on"] : [];
    return [{ pointer: `/body/steps/${index}`, id: step["id"], dependsOn: dependsOn.slice(0, maxLength) }];
  });
}

/** The schema rejects any other value. A message with a long text would take long. */
function isId(value: unknown): value is string {
  return typeof value === "string" && value.length <= maxIdLength;
}

/** Adds one violation for each dependency that closes a cycle, by depth-first search. */
function addCycleViolations(
  violations: Violation[],
  nodes: readonly Node[],
  byId: ReadonlyMap<string, Node>,
): void {
  const visited = new Set<Node>();
  const path: Node[] = [];

  function visit(node: Node): void {
    if (visited.has(node) || violations.length >= maxViolations) return;
    path.push(node);
    for (const [index, id] of node.dependsOn.entries()) {
      const dependency = typeof id === "string" ? byId.get(id) : undefined;
      if (dependency === undefined || visited.has(dependency)) continue;
      const start = path.indexOf(dependency);
      if (start === -1) visit(dependency);
      else if (violations.length < maxViolations)
        violations.push(dependencyViolation(node, index, cycleMessage(path.slice(start))));
    }
    path.pop();
    visited.add(node);
  }

  nodes.forEach(visit);
}

/** The maximum number of steps of a cycle that its message names. */
const maxNamed = 8;

function cycleMessage(cycle: readonly Node[]): string {
  const isLong = cycle.length > maxNamed;
  const [first, ...others] = quotedIds(isLong ? cycle.slice(0, maxNamed - 1) : cycle);
  const last = isLong ? ["…", ...quotedIds(cycle.slice(-1))] : [];
  return `makes a cycle: ${[first, ...others, ...last, first].join(" needs ")}`;
}

function quotedIds(nodes: readonly Node[]): string[] {
  return nodes.map(({ id }) => JSON.stringify(id));
}
