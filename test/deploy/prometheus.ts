import { spawnSync } from "node:child_process";

/** Undefined where it is not installed. */
export function findProgram(program: "prometheus" | "promtool"): string | undefined {
  return spawnSync(program, ["--version"]).status === 0 ? program : undefined;
}
