import { Code } from "@connectrpc/connect";
import type { Operation, Path } from "../contract.ts";
import { HttpError, invalidRequest } from "../errors/http-error.ts";
import { suggestionOf } from "../nearest-name.ts";
import { createNearestPath } from "./nearest-path.ts";
import { inOrder } from "./stages.ts";
import type { OperationLocals, Middleware, ServerStage } from "./stages.ts";

/** What the contract has for a request. */
export interface RouteMatch {
  readonly path: Path;
  /** HEAD is served as GET. Undefined if the path does not allow the method. */
  readonly operation: Operation | undefined;
  /** The decoded path parameters; undefined if they are not percent-encoded UTF-8. */
  readonly params: Readonly<Record<string, string>> | undefined;
}

/** Finds the match of a request's method and target; undefined if the contract does not have the path. */
export type Router = (method: string, target: string) => RouteMatch | undefined;

/** A node in the tree of the paths' segments. */
interface Node {
  readonly literals: Map<string, Node>;
  /** The node below any one segment. */
  parameter?: Node;
  /** The path that ends here. */
  route?: Route;
  /** The path whose last parameter takes all that follows, slashes included. */
  rest?: Route;
}

/** A path with its parameters' names, in order, and its operations by method. */
interface Route {
  readonly path: Path;
  readonly names: readonly string[];
  readonly operations: ReadonlyMap<string, Operation>;
}

/**
 * Creates a router for `paths`. It compares segments as they were sent, case-sensitively, slashes at the end included,
 * and prefers literal segments to parameters (OpenAPI 3.1 §4.8.8.2). A parameter is never empty. The time of a
 * match does not grow with the number of paths.
 */
export function createRouter(paths: readonly Path[]): Router {
  const root: Node = { literals: new Map() };
  for (const path of paths) add(root, path);

  return function match(method, target) {
    const values: string[] = [];
    const route = find(root, pathOf(target), 1, values);
    if (route === undefined) return undefined;
    const { path, names, operations } = route;
    return { path, operation: operations.get(method), params: decodeParams(names, values) };
  };
}

function add(root: Node, path: Path): void {
  let node = root;
  for (const segment of path.segments) {
    if (segment.kind === "rest") {
      node.rest = routeOf(path);
      return;
    }
    const isLiteral = segment.kind === "literal";
    const child = (isLiteral ? node.literals.get(segment.text) : node.parameter) ?? { literals: new Map() };
    if (isLiteral) node.literals.set(segment.text, child);
    else node.parameter = child;
    node = child;
  }
  node.route = routeOf(path);
}

function routeOf(path: Path): Route {
  const operations = new Map(path.operations.map((operation) => [operation.method.toUpperCase(), operation]));
  const get = operations.get("GET");
  if (get !== undefined && path.allowed.includes("HEAD")) operations.set("HEAD", get);
  const names = path.segments.flatMap((segment) => (segment.kind === "literal" ? [] : [segment.name]));
  return { path, names, operations };
}

/** Finds the route of `path` from the segment that begins at `start`; `values` become those of its parameters. */
function find(node: Node, path: string, start: number, values: string[]): Route | undefined {
  const end = path.indexOf("/", start);
  const isLast = end === -1;
  const segment = isLast ? path.slice(start) : path.slice(start, end);
  const below = (child: Node | undefined) =>
    child !== undefined && !isLast ? find(child, path, end + 1, values) : child?.route;

  const literal = below(node.literals.get(segment));
  if (literal !== undefined) return literal;
  if (segment !== "") {
    values.push(segment);
    const route = below(node.parameter);
    if (route !== undefined) return route;
    values.pop();
  }
  if (node.rest === undefined || start === path.length) return undefined;
  values.push(path.slice(start));
  return node.rest;
}

/** A target without its query. A fragment is no part of a path, though clients must not send one (RFC 9112 §3.2). */
function pathOf(target: string): string {
  const end = target.search(/[?#]/);
  return end === -1 ? target : target.slice(0, end);
}

function decodeParams(
  names: readonly string[],
  values: readonly string[],
): Readonly<Record<string, string>> | undefined {
  try {
    return Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(values[index] ?? "")]));
  } catch {
    return undefined;
  }
}

/** Stores the match of a request for all later stages. */
export function matchRoute(router: Router): ServerStage {
  return function matchRoute(req, res, next) {
    res.locals.match = router(req.method ?? "", req.url ?? "/");
    next();
  };
}

const malformedPath = { path: "/params", message: "must be percent-encoded UTF-8" };

/** Runs the stages of the operation that a request is for; passes on a request without an operation. */
export function dispatch(
  paths: readonly Path[],
  stagesOf: (operation: Operation) => readonly Middleware<OperationLocals>[],
): Middleware<OperationLocals> {
  const operations = paths.flatMap((path) => path.operations);
  const stages = new Map(operations.map((operation) => [operation, inOrder(stagesOf(operation))]));
  return function dispatch(req, res, next) {
    const { match } = res.locals;
    if (match === undefined) return next();
    if (match.params === undefined) return next(invalidRequest([malformedPath]));
    res.locals.route = match.path.template;
    const run = match.operation && stages.get(match.operation);
    if (run === undefined) return next();
    req.params = match.params;
    run(req, res, next);
  };
}

/** 405 with `Allow` for a method that the contract does not have for the path. */
export const methodNotAllowed: Middleware = function methodNotAllowed(req, res, next) {
  const { match } = res.locals;
  if (match === undefined) return next();
  const allowed = match.path.allowed.join(", ");
  next(
    new HttpError(Code.InvalidArgument, `this path does not allow ${req.method}; it allows ${allowed}`, {
      status: 405,
      headers: { Allow: allowed },
    }),
  );
};

/**
 * 404 for a path that is not one of `paths`. It names the nearest of them, or else the document that lists them, never
 * what the client has sent: a redirect would hide the mistake, and repeat a POST as GET.
 */
export function notFound(paths: readonly Path[]): Middleware {
  const nearestPath = createNearestPath(paths);
  return function notFound(req, _res, next) {
    const hint = suggestionOf(nearestPath(req.path)) || "; GET /v1/openapi.yaml lists all paths";
    next(new HttpError(Code.NotFound, `no such path${hint}`));
  };
}
