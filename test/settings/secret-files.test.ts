import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { prefix } from "../../src/settings/schema.ts";
import { readText, UnreadableFileError } from "../../src/settings/secret-files.ts";
import { settingsOf, settingErrors } from "../support/environment.ts";
import { runGateway } from "../support/gateway-process.ts";
import type { TestSettings } from "../support/gateway.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const credentialViolation = "must be one line of UTF-8 without control characters or a byte order mark";
const tokenViolation = "must be one token: printable ASCII without spaces or commas";
const currentTokenViolation = `${tokenViolation}; a second one belongs in ${prefix}API_TOKEN_PREVIOUS`;

/** The violations of values that are not credentials of the object store. */
const tokenViolations: Readonly<Record<string, string>> = {
  API_TOKEN: currentTokenViolation,
  API_TOKEN_PREVIOUS: tokenViolation,
};

/** The content of files, by path. */
const files: Readonly<Record<string, string>> = {
  "/run/token": "s3cret!\n",
  "/run/old-token": "old-token\r\n",
  "/run/two-lines": "new-token\nold-token\n",
  "/run/id": "id\n",
  "/run/key": "key",
  "/run/empty": "\n",
  "/run/ends": "id\n\n",
  "/run/wrong": "hunter2 hunter2\nhunter2",
};

function readFile(path: string): string {
  return files[path] ?? readText(path);
}

const parsed = (settings: TestSettings) => settingsOf(settings, readFile);
const violations = (settings: TestSettings) => settingErrors(settings, readFile);

describe("parseSettings: secrets in files", () => {
  it("reads secrets from files, without the line end", () => {
    const { apiTokens, objectStore } = parsed({
      API_TOKEN_FILE: "/run/token",
      R2_ENDPOINT: "http://store:9000",
      R2_ACCESS_KEY_ID_FILE: "/run/id",
      R2_SECRET_ACCESS_KEY_FILE: "/run/key",
    });
    assert.deepEqual(apiTokens, ["s3cret!"]);
    assert.deepEqual([objectStore?.accessKeyId, objectStore?.secretAccessKey], ["id", "key"]);
    assert.deepEqual(parsed({ API_TOKEN_FILE: "/run/token", API_TOKEN: "" }).apiTokens, ["s3cret!"]);
    const both = { API_TOKEN_FILE: "/run/token", API_TOKEN_PREVIOUS_FILE: "/run/old-token" };
    assert.deepEqual(parsed(both).apiTokens, ["s3cret!", "old-token"]);
  });

  it("rejects a second token on a second line, and names the setting for it", () =>
    assert.deepEqual(violations({ API_TOKEN_FILE: "/run/two-lines" }), [
      `${prefix}API_TOKEN_FILE names a file whose content ${currentTokenViolation}`,
    ]));

  it("rejects a previous token without a current one, or equal to it", () => {
    const previous = { API_TOKEN_PREVIOUS_FILE: "/run/token" };
    assert.deepEqual(violations(previous), [`${prefix}API_TOKEN must be set, since API_TOKEN_PREVIOUS is`]);
    assert.deepEqual(violations({ API_TOKEN: "s3cret!", ...previous, BIND_ADDR: "x" }), [
      `${prefix}BIND_ADDR must be host:port, such as 0.0.0.0:8080 or [::]:8080`,
      `${prefix}API_TOKEN_PREVIOUS must be another token than API_TOKEN`,
    ]);
  });

  for (const name of ["API_TOKEN", "API_TOKEN_PREVIOUS", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"]) {
    const own = `${prefix}${name}_FILE`;
    const wrong = tokenViolations[name] ?? credentialViolation;
    const needed = name === "API_TOKEN_PREVIOUS" ? { API_TOKEN: "current" } : {};
    for (const [path, violation] of [
      ["/run/nothing", `${own} names a file that cannot be read: ENOENT`],
      ["/", `${own} names a file that cannot be read: EISDIR`],
      ["/run/empty", `${own} names a file that is empty`],
      ["/run/ends", `${own} names a file whose content ${wrong}`],
      ["/run/wrong", `${own} names a file whose content ${wrong}`],
    ] as const)
      it(`rejects ${name}_FILE=${path}, and does not repeat the content`, () =>
        assert.deepEqual(violations({ ...needed, [`${name}_FILE`]: path }), [violation]));

    it(`rejects ${name} beside its file, and reports an invalid value`, () => {
      const both = { ...needed, [`${name}_FILE`]: "/run/id" };
      const violation = `${own} must not be set, since ${name} is`;
      assert.deepEqual(violations({ ...both, [name]: "value" }), [violation]);
      assert.deepEqual(violations({ ...both, [name]: "\n\n" }), [`${prefix}${name} ${wrong}`, violation]);
    });
  }

  it("rejects an empty API_TOKEN_FILE without API_TOKEN", () => {
    const violation = `${prefix}API_TOKEN_FILE must name a file where API_TOKEN is not set`;
    assert.deepEqual(violations({ API_TOKEN_FILE: "" }), [violation]);
    assert.deepEqual(violations({ API_TOKEN_FILE: "", API_TOKEN: "" }), [
      `${prefix}API_TOKEN ${currentTokenViolation}`,
    ]);
    assert.deepEqual(parsed({ API_TOKEN_FILE: "", API_TOKEN: "s3cret!" }).apiTokens, ["s3cret!"]);
  });
});

describe("readText", () => {
  it("reads a regular file, also through a symbolic link, as a mounted secret is", () => {
    using folder = temporaryFolder();
    const [file, link] = [join(folder.path, "secret"), join(folder.path, "link")];
    writeFileSync(file, "s3cret\n");
    symlinkSync(file, link);
    assert.equal(readText(link), "s3cret\n");
  });

  it("rejects a device and a file of more than 1 MiB", () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "long");
    writeFileSync(file, "");
    truncateSync(file, 1024 * 1024 + 1);
    assert.throws(() => readText(file), new UnreadableFileError("it is longer than 1048576 bytes"));
    assert.throws(() => readText("/dev/zero"), new UnreadableFileError("it is not a regular file"));
  });

  it("throws the error of node:fs", () => {
    assert.throws(() => readText("/nowhere"), { code: "ENOENT" });
    assert.throws(() => readText("/"), { code: "EISDIR" });
  });

  it("stops the start for a pipe that nobody writes to, without its path in the message", async () => {
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
