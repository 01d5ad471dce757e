import assert from "node:assert/strict";
import { prefix } from "../../src/settings/settings.ts";
import { readText } from "../../src/settings/read-text.ts";
import { configOf, settingErrors } from "../support/environment.ts";
import type { TestSettings } from "../support/gateway.ts";

const credentialFault = "must be one line of UTF-8 without control characters and byte order mark";
const tokenFault = "must be one token: printable ASCII without spaces and commas";
const currentTokenFault = `${tokenFault}; a second one belongs in ${prefix}API_TOKEN_PREVIOUS`;

/** What is said of a wrong value, where it is no credential of the object store. */
const wrongValue: Readonly<Record<string, string>> = {
  API_TOKEN: currentTokenFault,
  API_TOKEN_PREVIOUS: tokenFault,
};

/** What the files hold that a test reads. */
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

const config = (settings: TestSettings) => configOf(settings, readFile);
const faults = (settings: TestSettings) => settingErrors(settings, readFile);

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
    assert.deepEqual(config({ API_TOKEN_FILE: "/run/token", API_TOKEN: "" }).apiTokens, ["s3cret!"]);
    const both = { API_TOKEN_FILE: "/run/token", API_TOKEN_PREVIOUS_FILE: "/run/old-token" };
    assert.deepEqual(config(both).apiTokens, ["s3cret!", "old-token"]);
  });

  it("takes no second token from a second line, and says where it belongs", () =>
    assert.deepEqual(faults({ API_TOKEN_FILE: "/run/two-lines" }), [
      `${prefix}API_TOKEN_FILE names a file whose content ${currentTokenFault}`,
    ]));

  it("wants a current token beside the previous one, and another one", () => {
    const previous = { API_TOKEN_PREVIOUS_FILE: "/run/token" };
    assert.deepEqual(faults(previous), [`${prefix}API_TOKEN must be set, since API_TOKEN_PREVIOUS is`]);
    assert.deepEqual(faults({ API_TOKEN: "s3cret!", ...previous, BIND_ADDR: "x" }), [
      `${prefix}BIND_ADDR must be host:port, such as 0.0.0.0:8080 or [::]:8080`,
      `${prefix}API_TOKEN_PREVIOUS must be another token than API_TOKEN`,
    ]);
  });

  for (const name of ["API_TOKEN", "API_TOKEN_PREVIOUS", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"]) {
    const own = `${prefix}${name}_FILE`;
    const wrong = wrongValue[name] ?? credentialFault;
    const needed = name === "API_TOKEN_PREVIOUS" ? { API_TOKEN: "current" } : {};
    for (const [path, fault] of [
      ["/run/nothing", `${own} names a file that cannot be read: ENOENT`],
      ["/", `${own} names a file that cannot be read: EISDIR`],
      ["/run/empty", `${own} names a file that is empty`],
      ["/run/ends", `${own} names a file whose content ${wrong}`],
      ["/run/wrong", `${own} names a file whose content ${wrong}`],
    ] as const)
      it(`tells why ${name}_FILE=${path} is of no use, and repeats nothing of it`, () =>
        assert.deepEqual(faults({ ...needed, [`${name}_FILE`]: path }), [fault]));

    it(`refuses ${name} beside its file, and blames the one that is wrong`, () => {
      const both = { ...needed, [`${name}_FILE`]: "/run/id" };
      const fault = `${own} must not be set, since ${name} is`;
      assert.deepEqual(faults({ ...both, [name]: "value" }), [fault]);
      assert.deepEqual(faults({ ...both, [name]: "\n\n" }), [`${prefix}${name} ${wrong}`, fault]);
    });
  }

  it("wants a token where the name of its file is empty, which nobody means who means the default one", () => {
    const fault = `${prefix}API_TOKEN_FILE must name a file where API_TOKEN is not set`;
    assert.deepEqual(faults({ API_TOKEN_FILE: "" }), [fault]);
    assert.deepEqual(faults({ API_TOKEN_FILE: "", API_TOKEN: "" }), [
      `${prefix}API_TOKEN ${currentTokenFault}`,
    ]);
    assert.deepEqual(config({ API_TOKEN_FILE: "", API_TOKEN: "s3cret!" }).apiTokens, ["s3cret!"]);
  });
});
