import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startChild } from "../../src/sandbox/dev-child.ts";
import { withTemporaryFolder } from "./support.ts";

describe("startChild", () => {
  it("kills a program that ignores SIGTERM", async () => {
    await withTemporaryFolder(async (folder) => {
      const stubborn = join(folder, "stubborn.js");
      await writeFile(
        stubborn,
        'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6); console.log("up");',
      );
      const child = startChild({ execPath: process.execPath, file: stubborn, env: {}, stopTimeoutMs: 50 });
      await child.readUntil(/up/);
      const stopping = child.stop();
      assert.equal(child.stop(), stopping);
      await stopping;
      assert.deepEqual(await child.ended, { code: null, how: "SIGKILL" });
    });
  });

  it("returns undefined for a program that ends before its output matches", async () => {
    await withTemporaryFolder(async (folder) => {
      const short = join(folder, "short.js");
      await writeFile(short, "process.exit(3);");
      const child = startChild({ execPath: process.execPath, file: short, env: {}, stopTimeoutMs: 50 });
      assert.equal(await child.readUntil(/up/), undefined);
      assert.deepEqual(await child.ended, { code: 3, how: "exit code 3" });
    });
  });
});
