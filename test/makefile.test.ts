import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { startHttp } from "./demo/support.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

/**
 * Installs the packages in a copy of the project, with this setting of npm, or with a stand-in for it that fails with
 * these lines; resolves to the first line on stderr.
 */
async function install(
  registry: string,
  cacheOf: (folder: string) => string,
  npmErrors?: string,
): Promise<string | undefined> {
  using folder = temporaryFolder();
  for (const file of ["Makefile", "package.json", "package-lock.json", ".npmrc"])
    copyFileSync(file, join(folder.path, file));
  if (npmErrors !== undefined) {
    const programs = join(folder.path, "node_modules", ".bin");
    mkdirSync(programs, { recursive: true });
    writeFileSync(join(programs, "npm"), `#!/bin/sh\nprintf '${npmErrors}' >&2\nexit 1\n`, { mode: 0o755 });
  }
  const env = { ...process.env, npm_config_registry: registry, npm_config_cache: cacheOf(folder.path) };
  const make = spawn("make", ["-C", folder.path, "node_modules/.installed"], { env });
  const [stderr] = await Promise.all([text(make.stderr), text(make.stdout)]);
  return stderr.split("\n")[0];
}

describe("make", () => {
  it("names the cache of npm if it cannot be written to", async () => {
    await using registry = await startHttp((_req, res) => res.end("{}"));
    let cache = "";
    const line = await install(registry.url, (folder) => {
      // Root may write to every folder, but to none below a file.
      writeFileSync(join(folder, "file"), "");
      return (cache = join(folder, "file", "cache"));
    });
    const path = `${cache}/_cacache/tmp`;
    assert.equal(line, `npm cannot write to ${path} (ENOTDIR): set npm_config_cache to a folder of yours`);
  });

  it("tells to wait if another installation removes what npm writes", async () => {
    const errors = "npm error code ENOTEMPTY\\nnpm error path /a/node_modules/b\\nnpm error errno -39\\n";
    const line = await install("http://127.0.0.1:9", (folder) => join(folder, "cache"), errors);
    assert.equal(
      line,
      "npm cannot write to /a/node_modules/b (ENOTEMPTY): wait until no other make or npm installs here, and run this again",
    );
  });

  it("names the registry of npm if it does not respond", async () => {
    const line = await install("http://127.0.0.1:9", (folder) => join(folder, "cache"));
    assert.match(
      line ?? "",
      /^the packages could not be installed: .* ECONNREFUSED .*; is the npm registry within reach\?$/,
    );
  });
});
