import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { prefix } from "../../src/settings/settings.ts";
import { readText, UnfitFile } from "../../src/settings/read-text.ts";
import { runGateway } from "../support/gateway-process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

describe("readText", () => {
  it("reads a file, also behind a link, as a mounted secret is", () => {
    using folder = temporaryFolder();
    const [file, link] = [join(folder.path, "secret"), join(folder.path, "link")];
    writeFileSync(file, "s3cret\n");
    symlinkSync(file, link);
    assert.equal(readText(link), "s3cret\n");
  });

  it("refuses what has no end, and what is longer than any secret", () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "long");
    writeFileSync(file, "");
    truncateSync(file, 1024 * 1024 + 1);
    assert.throws(() => readText(file), new UnfitFile("it is longer than 1048576 bytes"));
    assert.throws(() => readText("/dev/zero"), new UnfitFile("it is not a regular file"));
  });

  it("throws what node:fs throws", () => {
    assert.throws(() => readText("/nowhere"), { code: "ENOENT" });
    assert.throws(() => readText("/"), { code: "EISDIR" });
  });

  it("keeps the gateway from waiting for a pipe to which nobody writes, and repeats no path", async () => {
    using folder = temporaryFolder();
    const pipe = join(folder.path, "pipe");
    execFileSync("mkfifo", [pipe]);
    const { code, stderr } = await runGateway({ API_TOKEN_FILE: pipe }).ended;
    assert.equal(code, 1);
    assert.ok(
      stderr.includes(`${prefix}API_TOKEN_FILE names a file that cannot be read: it is not a regular file`),
    );
    assert.ok(!stderr.includes(folder.path));
  });
});
