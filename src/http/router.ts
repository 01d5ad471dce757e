import type { RequestHandler } from "express";

/** What serves the requests of one path. */
export interface PathEntry {
  /** As Express writes it. */
  readonly route: string;
  /** Matches the path once more, exactly, and reads its parameters. */
  readonly router: RequestHandler;
}

/** The paths by their segments. */
interface Branch {
  readonly literals: Map<string, Branch>;
  /** Below a parameter. */
  parameter?: Branch;
  /** The path that ends here. */
  entry?: PathEntry;
  /** The path whose last parameter spans slashes. */
  rest?: PathEntry;
}

/**
 * Leads a request to the router of its path, in the same time however many paths there are; Express alone would
 * try one after another. As OpenAPI demands, segments that are written out come before parameters.
 */
export function dispatch(entries: readonly PathEntry[]): RequestHandler {
  const root: Branch = { literals: new Map() };
  for (const entry of entries) add(root, entry);

  return function dispatch(req, res, next) {
    const router = find(root, req.path.split("/"), 0)?.router;
    if (router === undefined) next();
    else return router(req, res, next);
  };
}

function add(root: Branch, entry: PathEntry): void {
  let branch = root;
  for (const segment of entry.route.split("/")) {
    if (segment.startsWith("*")) {
      branch.rest = entry;
      return;
    }
    const literal = branch.literals.get(segment);
    const isParameter = segment.startsWith(":");
    const below = (isParameter ? branch.parameter : literal) ?? { literals: new Map() };
    if (isParameter) branch.parameter = below;
    else branch.literals.set(segment, below);
    branch = below;
  }
  branch.entry = entry;
}

function find(branch: Branch | undefined, segments: readonly string[], at: number): PathEntry | undefined {
  const segment = segments[at];
  if (branch === undefined || segment === undefined) return branch?.entry;
  return (
    find(branch.literals.get(segment), segments, at + 1) ??
    find(branch.parameter, segments, at + 1) ??
    branch.rest
  );
}
