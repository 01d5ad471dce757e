import assert from "node:assert/strict";
import { prefix } from "../../src/config.ts";
import { readText } from "../../src/settings/read-text.ts";
import { configOf, faultsOf } from "../support/environment.ts";
import type { TestSettings } from "../support/gateway.ts";

const credentialFault = "must be one line of UTF-8 without control characters and byte order mark";
const tokenFault = "must be one word of printable ASCII, or two, separated by a comma";

/** What the files hold that a test reads. */
const files: Readonly<Record<string, string>> = {
  "/run/token": "s3cret!\n",
  "/run/tokens": "new-token\r\nold-token\r\n",
  "/run/id": "id\n",
  "/run/key": "key",
  "/run/empty": "\n",
  "/run/ends": "id\n\n",
  "/run/wrong": "hunter2 hunter2\nhunter2",
};

function readFile(path: string): string {
  return files[path] ?? readText(path);
}

const config = (settings: TestSettings) => configOf(settings, readFile);
const faults = (settings: TestSettings) => faultsOf(settings, readFile);

describe("parseConfig: secrets in files", () => {
  it("reads secrets from files, without the line end at their end", () => {
    const { apiTokens, objectStore } = config({
      API_TOKEN_FILE: "/run/token",
      R2_ENDPOINT: "http://store:9000",
      R2_ACCESS_KEY_ID_FILE: "/run/id",
      R2_SECRET_ACCESS_KEY_FILE: "/run/key",
    });
    assert.deepEqual(apiTokens, ["s3cret!"]);
    assert.deepEqual([objectStore?.accessKeyId, objectStore?.secretAccessKey], ["id", "key"]);
    assert.deepEqual(config({ API_TOKEN_FILE: "/run/tokens" }).apiTokens, ["new-token", "old-token"]);
    assert.deepEqual(config({ API_TOKEN_FILE: "/run/token", API_TOKEN: "" }).apiTokens, ["s3cret!"]);
  });

  for (const name of ["API_TOKEN", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"]) {
    const own = `${prefix}${name}_FILE`;
    const wrong = name === "API_TOKEN" ? tokenFault : credentialFault;
    for (const [path, fault] of [
      ["/run/nothing", `${own} names a file that cannot be read: ENOENT`],
      ["/", `${own} names a file that cannot be read: EISDIR`],
      ["/run/empty", `${own} names a file that is empty`],
      ["/run/ends", `${own} names a file whose content ${wrong}`],
      ["/run/wrong", `${own} names a file whose content ${wrong}`],
    ] as const)
      it(`tells why ${name}_FILE=${path} is of no use, and repeats nothing of it`, () =>
        assert.deepEqual(faults({ [`${name}_FILE`]: path }), [fault]));

    it(`refuses ${name} beside its file, and blames the one that is wrong`, () => {
      const both = { [`${name}_FILE`]: "/run/id" };
      const fault = `${own} must not be set, since ${name} is`;
      assert.deepEqual(faults({ ...both, [name]: "value" }), [fault]);
      assert.deepEqual(faults({ ...both, [name]: "\n\n" }), [`${prefix}${name} ${wrong}`, fault]);
    });
  }

  it("wants a token where the name of its file is empty, which nobody means who means the default one", () => {
    const fault = `${prefix}API_TOKEN_FILE must name a file where API_TOKEN is not set`;
    assert.deepEqual(faults({ API_TOKEN_FILE: "" }), [fault]);
    assert.deepEqual(faults({ API_TOKEN_FILE: "", API_TOKEN: "" }), [`${prefix}API_TOKEN ${tokenFault}`]);
    assert.deepEqual(config({ API_TOKEN_FILE: "", API_TOKEN: "s3cret!" }).apiTokens, ["s3cret!"]);
  });
});
