import { spawnSync } from "node:child_process";
import type { BreakingChange } from "./breaking-change.ts";

/** The changes since `before`, a tar archive, that break programs built from it. Throws what buf says if it cannot tell. */
export function protobufChanges(before: Buffer): BreakingChange[] {
  const args = ["breaking", "--error-format=json", "--against", "-#format=tar"];
  const { status, stdout, stderr } = spawnSync("buf", args, { input: before, encoding: "utf8" });
  const hasChanges = status === 100;
  if (status !== 0 && !hasChanges) throw new Error(stderr || stdout);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const { path, start_line: startLine, message } = JSON.parse(line);
      return { source: `${path}:${startLine}`, change: message, loss: "" };
    });
}
