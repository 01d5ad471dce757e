import type { Fault } from "../errors/refusal.ts";
import { isObject } from "./is-object.ts";

/** The contract's `maxItems` of steps. */
const maxSteps = 256;

/** One step, as far as its place in the DAG goes. */
interface Node {
  readonly pointer: string;
  readonly id: string;
  readonly dependsOn: readonly unknown[];
}

/**
 * What makes the steps of a submission no DAG: ids that are taken, dependencies that do not exist, cycles.
 * `body` may have any shape; parts that the schema refuses are passed over.
 */
export function graphFaults(body: unknown): Fault[] {
  const nodes = nodesOf(body);
  const byId = new Map<string, Node>();
  const faults: Fault[] = [];
  for (const node of nodes) {
    const first = byId.get(node.id);
    if (first === undefined) byId.set(node.id, node);
    else faults.push({ path: `${node.pointer}/id`, message: `is already the id of ${first.pointer}` });
  }
  for (const node of nodes) {
    for (const [index, id] of node.dependsOn.entries()) {
      if (typeof id !== "string" || byId.has(id)) continue;
      faults.push({
        path: `${node.pointer}/depends_on/${index}`,
        message: `no step has the id ${JSON.stringify(id)}`,
      });
    }
  }
  return [...faults, ...cycleFaults(nodes, byId)];
}

function nodesOf(body: unknown): Node[] {
  const steps = isObject(body) ? body["steps"] : undefined;
  // A longer list is refused by the schema, and would make the walks below long too.
  if (!Array.isArray(steps) || steps.length > maxSteps) return [];
  return steps.flatMap((step: unknown, index): Node[] => {
    if (!isObject(step) || typeof step["id"] !== "string") return [];
    const dependsOn: unknown = step["depends_on"];
    return [
      {
        pointer: `/body/steps/${index}`,
        id: step["id"],
        dependsOn: Array.isArray(dependsOn) ? dependsOn : [],
      },
    ];
  });
}

/** One fault for each dependency that leads back to a step which waits for it; none where every walk ends. */
function cycleFaults(nodes: readonly Node[], byId: ReadonlyMap<string, Node>): Fault[] {
  const faults: Fault[] = [];
  const done = new Set<Node>();
  const walk: Node[] = [];

  function visit(node: Node): void {
    if (done.has(node)) return;
    walk.push(node);
    for (const [index, id] of node.dependsOn.entries()) {
      const needed = typeof id === "string" ? byId.get(id) : undefined;
      if (needed === undefined) continue;
      const at = walk.indexOf(needed);
      if (at === -1) visit(needed);
      else
        faults.push({
          path: `${node.pointer}/depends_on/${index}`,
          message: cycleMessage(walk.slice(at)),
        });
    }
    walk.pop();
    done.add(node);
  }

  for (const node of nodes) visit(node);
  return faults;
}

function cycleMessage(cycle: readonly Node[]): string {
  return `makes a cycle: ${[...cycle, cycle[0]].map((node) => JSON.stringify(node?.id)).join(" needs ")}`;
}
