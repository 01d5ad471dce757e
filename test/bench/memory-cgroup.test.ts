import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { createMemoryCgroup } from "./memory-cgroup.ts";

const mebibyte = 1024 * 1024;

describe("createMemoryCgroup", () => {
  it("runs a command within its bound, which the command sees, and is gone when it is removed", async function () {
    const cgroup = createMemoryCgroup(256 * mebibyte);
    // Not every machine has cgroups, and not everybody may create one.
    if (cgroup === undefined) return this.skip();
    try {
      const [command, ...words] = [...cgroup.run, process.execPath, "-p", "process.constrainedMemory()"];
      const { stdout } = await promisify(execFile)(command, words);
      assert.equal(Number(stdout), 256 * mebibyte);
      assert.equal(cgroup.kills() ?? 0, 0);
    } finally {
      cgroup.remove();
    }
  });
});
