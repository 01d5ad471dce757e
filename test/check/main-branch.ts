import { spawnSync } from "node:child_process";

/** The main branch where the current one left it: what has landed since then is not gone from here. */
export interface MainBranch {
  /** The text of a file; empty if the branch has no such file. */
  read(file: string): string;
  /** Files and folders as a tar archive. */
  archive(...paths: readonly string[]): Buffer;
}

/** The main branch of origin, or else the local one; undefined if neither has all of these files. */
export function findMainBranch(...files: readonly string[]): MainBranch | undefined {
  const commit = ["origin/main", "main"]
    .map((branch) => git("merge-base", "HEAD", branch).toString().trim() || branch)
    .find((base) =>
      files.every((file) => git("rev-parse", "--verify", "--quiet", `${base}:${file}`).length > 0),
    );
  if (commit === undefined) return undefined;
  return {
    read: (file) => git("show", `${commit}:${file}`).toString(),
    archive: (...paths) => git("archive", commit, ...paths),
  };
}

/** The output of git; empty if it fails. */
function git(...args: readonly string[]): Buffer {
  const { status, stdout } = spawnSync("git", args, { maxBuffer: 16 * 1024 * 1024 });
  return status === 0 ? stdout : Buffer.alloc(0);
}
