import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { isObject } from "./is-object.ts";

/** The contract's `maxItems` of steps, and of the dependencies of one. */
const maxLength = 256;

/** One step, as far as its place in the DAG goes. */
interface Node {
  readonly pointer: string;
  readonly id: string;
  readonly dependsOn: readonly unknown[];
}

/**
 * What makes the steps of a submission no DAG: ids that are taken, dependencies that do not exist, cycles.
 * `body` may have any shape; parts that the schema refuses are passed over. No more is told than an answer lists.
 */
export function dagViolations(body: unknown): Violation[] {
  const faults: Violation[] = [];
  const nodes = nodesOf(body);
  const byId = new Map<string, Node>();
  for (const node of nodes) {
    const first = byId.get(node.id);
    if (first === undefined) byId.set(node.id, node);
    else faults.push({ path: `${node.pointer}/id`, message: `is already the id of ${first.pointer}` });
  }
  for (const node of nodes) {
    for (const [index, id] of node.dependsOn.entries()) {
      if (typeof id !== "string" || byId.has(id) || faults.length >= maxViolations) continue;
      faults.push(dependencyFault(node, index, `no step has the id ${JSON.stringify(id)}`));
    }
  }
  addCycleFaults(faults, nodes, byId);
  return faults.slice(0, maxViolations);
}

function dependencyFault({ pointer }: Node, index: number, message: string): Violation {
  return { path: `${pointer}/depends_on/${index}`, message };
}

function nodesOf(body: unknown): Node[] {
  const steps = isObject(body) ? body["steps"] : undefined;
  // Longer lists are refused by the schema, and would make the walks below long too.
  if (!Array.isArray(steps) || steps.length > maxLength) return [];
  return steps.flatMap((step: unknown, index): Node[] => {
    if (!isObject(step) || typeof step["id"] !== "string") return [];
    const dependsOn: unknown[] = Array.isArray(step["depends_on"]) ? step["depends_on"] : [];
    return [{ pointer: `/body/steps/${index}`, id: step["id"], dependsOn: dependsOn.slice(0, maxLength) }];
  });
}

/** One fault for each dependency that leads back to a step which waits for it. */
function addCycleFaults(faults: Violation[], nodes: readonly Node[], byId: ReadonlyMap<string, Node>): void {
  const done = new Set<Node>();
  const walk: Node[] = [];

  function visit(node: Node): void {
    if (done.has(node) || faults.length >= maxViolations) return;
    walk.push(node);
    for (const [index, id] of node.dependsOn.entries()) {
      const needed = typeof id === "string" ? byId.get(id) : undefined;
      if (needed === undefined || done.has(needed)) continue;
      const at = walk.indexOf(needed);
      if (at === -1) visit(needed);
      else if (faults.length < maxViolations)
        faults.push(dependencyFault(node, index, cycleMessage(walk.slice(at))));
    }
    walk.pop();
    done.add(node);
  }

  nodes.forEach(visit);
}

/** Most steps of a cycle that its message names. */
const maxNamed = 8;

function cycleMessage(cycle: readonly Node[]): string {
  const isLong = cycle.length > maxNamed;
  const [first, ...others] = named(isLong ? cycle.slice(0, maxNamed - 1) : cycle);
  const last = isLong ? ["…", ...named(cycle.slice(-1))] : [];
  return `makes a cycle: ${[first, ...others, ...last, first].join(" needs ")}`;
}

function named(nodes: readonly Node[]): string[] {
  return nodes.map(({ id }) => JSON.stringify(id));
}
