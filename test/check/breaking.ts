/** Fails if a change of the gRPC contract breaks programs that were built from the main branch. */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

const main = ["origin/main", "main"].find(
  (ref) => git("rev-parse", "--verify", "--quiet", `${ref}:buf.yaml`) !== "",
);
if (main === undefined) {
  console.log("buf breaking: skipped, there is no main branch with a buf.yaml to compare with");
} else {
  const repository = resolve(git("rev-parse", "--git-common-dir"));
  const against = `${repository}#ref=${git("rev-parse", main)}`;
  const { status } = spawnSync("buf", ["breaking", "--against", against], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}

/** The output of git; empty if it fails. */
function git(...args: string[]): string {
  const { status, stdout } = spawnSync("git", args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : "";
}
