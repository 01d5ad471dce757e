import type { FuzzContract, FuzzOperation } from "./contract.ts";
import type { WireRequest } from "./wire-request.ts";

/**
 * The route of a request: an operation, a path of the contract without the method, a redirect to the documentation, or no
 * path of the contract.
 */
export type Route =
  | { readonly kind: "operation"; readonly operation: FuzzOperation }
  | { readonly kind: "no method"; readonly allowed: readonly string[] }
  | { readonly kind: "redirect" }
  | { readonly kind: "no path" };

const redirects = ["/", "/docs/"];

/**
 * Finds the route by the contract. Literal segments take precedence and are compared byte by byte. A parameter matches a
 * non-empty segment, and `{key}` the rest of the path. The absolute form of a target is reduced to its path.
 */
export function routeOf({ paths, operations }: FuzzContract, request: WireRequest): Route {
  const { method, target } = request;
  const targetPath = pathOf(target) || "/";
  const path = paths
    .filter(({ template }) => patternOf(template).test(targetPath))
    .toSorted((one, other) => parametersIn(one.template) - parametersIn(other.template))[0];
  const isRedirect = ["GET", "HEAD"].includes(method) && redirects.includes(targetPath);
  if (path === undefined) return { kind: isRedirect ? "redirect" : "no path" };
  const expected = method === "HEAD" && path.allowed.includes("HEAD") ? "GET" : method;
  const operation = operations.find((own) => own.template === path.template && own.method === expected);
  return operation === undefined
    ? { kind: "no method", allowed: path.allowed }
    : { kind: "operation", operation };
}

function pathOf(target: string): string {
  // Spaces around a target are not part of it.
  const originForm = target.replaceAll(/^ +| +$/g, "").replace(/^https?:\/\/[^/?#]*/i, "");
  const [path = ""] = originForm.split(/[?#]/);
  // Express treats a backslash as a slash in a target with a fragment, which is always rejected.
  return originForm.includes("#") ? path.replaceAll("\\", "/") : path;
}

/** The patterns of the templates seen so far. */
const patterns = new Map<string, RegExp>();

function patternOf(template: string): RegExp {
  const escaped = template.replaceAll(".", "\\.");
  const pattern =
    patterns.get(template) ??
    new RegExp(`^${escaped.replace("{key}", ".+").replace(/\{\w+\}/g, "[^/]+")}$`, "s");
  patterns.set(template, pattern);
  return pattern;
}

function parametersIn(template: string): number {
  return template.split("{").length;
}
