import type { FuzzContract, FuzzOperation } from "./contract.ts";
import type { WireRequest } from "./wire.ts";

/** What a request is for: an operation, a path without such a method, or no path of the contract. */
export type Addressee =
  | { readonly kind: "operation"; readonly operation: FuzzOperation }
  | { readonly kind: "no method"; readonly allowed: readonly string[] }
  | { readonly kind: "no path" };

/**
 * Finds the addressee as the contract has it: segments that are written out first, compared byte for byte; a
 * parameter takes a segment that is not empty, `{key}` all that is left. The absolute form is its path.
 */
export function addresseeOf({ paths, operations }: FuzzContract, request: WireRequest): Addressee {
  const { method, target } = request;
  const path = pathOf(target);
  const matching = paths
    .filter(({ template }) => patternOf(template).test(path === "" ? "/" : path))
    .toSorted((one, other) => parametersIn(one.template) - parametersIn(other.template))[0];
  if (matching === undefined) return { kind: "no path" };
  const wanted = method === "HEAD" && matching.allowed.includes("HEAD") ? "GET" : method;
  const operation = operations.find((own) => own.template === matching.template && own.method === wanted);
  return operation === undefined
    ? { kind: "no method", allowed: matching.allowed }
    : { kind: "operation", operation };
}

function pathOf(target: string): string {
  // Spaces around a target are none of it.
  const whole = target.replaceAll(/^ +| +$/g, "").replace(/^https?:\/\/[^/?#]*/i, "");
  const [path = ""] = whole.split(/[?#]/);
  // In a target with a fragment, which is always refused, Express takes a backslash for a slash.
  return whole.includes("#") ? path.replaceAll("\\", "/") : path;
}

function patternOf(template: string): RegExp {
  const plain = template.replaceAll(".", "\\.");
  return new RegExp(`^${plain.replace("{key}", ".+").replace(/\{\w+\}/g, "[^/]+")}$`, "s");
}

function parametersIn(template: string): number {
  return template.split("{").length;
}
