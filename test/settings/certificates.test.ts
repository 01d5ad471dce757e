import assert from "node:assert/strict";
import { prefix } from "../../src/settings/schema.ts";
import { createAuthority } from "../support/certificates.ts";
import { settingsOf, settingErrors } from "../support/environment.ts";
import type { TestSettings } from "../support/gateway.ts";

const authority = await createAuthority("ours");
const mine = await authority.issue("gateway.test");
const other = await authority.issue("other.test");
const locked =
  "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGjMF8GCSqGSIb3DQEFDTBS\n-----END ENCRYPTED PRIVATE KEY-----\n";

const files: Readonly<Record<string, string>> = {
  "/run/ca.pem": authority.cert,
  "/run/cert.pem": mine.cert,
  "/run/key.pem": mine.key,
  "/run/other-key.pem": other.key,
  "/run/locked-key.pem": locked,
  "/run/hunter2.pem": "hunter2",
};

function readFile(path: string): string {
  const text = files[path];
  if (text === undefined) throw Object.assign(new Error(`no such file ${path}`), { code: "ENOENT" });
  return text;
}

/** These settings, with an orchestrator behind TLS. */
const over = (settings: TestSettings) => ({ ORCHESTRATOR_ENDPOINT: "https://a", ...settings });

/** These settings, with an object store behind TLS. */
const overStore = (settings: TestSettings) => ({
  R2_ENDPOINT: "https://a",
  R2_ACCESS_KEY_ID: "id",
  R2_SECRET_ACCESS_KEY: "secret",
  ...settings,
});

const ca = { ORCHESTRATOR_CA_FILE: "/run/ca.pem" };
const cert = { ORCHESTRATOR_CLIENT_CERT_FILE: "/run/cert.pem" };
const key = { ORCHESTRATOR_CLIENT_KEY_FILE: "/run/key.pem" };

describe("parseSettings: TLS with orchestrators", () => {
  for (const [what, settings, paths] of [
    ["nothing", {}, undefined],
    ["an authority alone", ca, { ca: "/run/ca.pem" }],
    ["a pair alone", { ...cert, ...key }, { cert: "/run/cert.pem", key: "/run/key.pem" }],
    ["all", { ...ca, ...cert, ...key }, { ca: "/run/ca.pem", cert: "/run/cert.pem", key: "/run/key.pem" }],
  ] as const)
    it(`accepts ${what}`, () =>
      assert.deepEqual(settingsOf(over(settings), readFile).orchestratorTls, paths));

  const violations: [settings: Record<string, string>, ...violations: string[]][] = [
    [
      { ORCHESTRATOR_CA_FILE: "/run/nothing" },
      "ORCHESTRATOR_CA_FILE names a file that cannot be read: ENOENT",
    ],
    [
      { ORCHESTRATOR_CA_FILE: "/run/key.pem" },
      "ORCHESTRATOR_CA_FILE names a file that holds no certificate in PEM form",
    ],
    [
      { ORCHESTRATOR_CLIENT_CERT_FILE: "/run/hunter2.pem", ORCHESTRATOR_CLIENT_KEY_FILE: "/run/hunter2.pem" },
      "ORCHESTRATOR_CLIENT_CERT_FILE names a file that holds no certificate in PEM form",
      "ORCHESTRATOR_CLIENT_KEY_FILE names a file that holds no private key in PEM form without a password",
    ],
    [
      { ...cert, ORCHESTRATOR_CLIENT_KEY_FILE: "/run/locked-key.pem" },
      "ORCHESTRATOR_CLIENT_KEY_FILE names a file that holds no private key in PEM form without a password",
    ],
    [
      { ...cert, ORCHESTRATOR_CLIENT_KEY_FILE: "/run/other-key.pem" },
      "ORCHESTRATOR_CLIENT_KEY_FILE names a file that holds the key of another certificate",
    ],
    [cert, "ORCHESTRATOR_CLIENT_KEY_FILE must be set, since ORCHESTRATOR_CLIENT_CERT_FILE is"],
    [key, "ORCHESTRATOR_CLIENT_CERT_FILE must be set, since ORCHESTRATOR_CLIENT_KEY_FILE is"],
    [
      { ...ca, ORCHESTRATOR_ENDPOINT: "http://a" },
      "ORCHESTRATOR_ENDPOINT must be https://, since files for TLS are set",
    ],
  ];
  for (const [settings, ...expected] of violations)
    it(`rejects ${JSON.stringify(settings)}`, () =>
      assert.deepEqual(
        settingErrors(over(settings), readFile),
        expected.map((violation) => prefix + violation),
      ));
});

describe("parseSettings: TLS with the object store", () => {
  it("accepts an authority, and none", () => {
    const { objectStoreTls, orchestratorTls } = settingsOf(
      overStore({ R2_CA_FILE: "/run/ca.pem" }),
      readFile,
    );
    assert.deepEqual([objectStoreTls, orchestratorTls], [{ ca: "/run/ca.pem" }, undefined]);
    assert.equal(settingsOf(overStore({}), readFile).objectStoreTls, undefined);
    const upperCase = overStore({ R2_CA_FILE: "/run/ca.pem", R2_ENDPOINT: "HTTPS://a" });
    assert.deepEqual(settingsOf(upperCase, readFile).objectStoreTls, { ca: "/run/ca.pem" });
  });

  const needsTls = "R2_ENDPOINT must be https://, since R2_CA_FILE is set";
  const violations: [settings: Record<string, string>, ...violations: string[]][] = [
    [{ R2_CA_FILE: "/run/nothing" }, "R2_CA_FILE names a file that cannot be read: ENOENT"],
    [{ R2_CA_FILE: "/run/key.pem" }, "R2_CA_FILE names a file that holds no certificate in PEM form"],
    [{ R2_CA_FILE: "/run/hunter2.pem" }, "R2_CA_FILE names a file that holds no certificate in PEM form"],
    [{ R2_CA_FILE: "/run/ca.pem", R2_ENDPOINT: "http://a" }, needsTls],
    [{ R2_CA_FILE: "/run/ca.pem", R2_ENDPOINT: "" }, needsTls],
    [
      {
        R2_CA_FILE: "/run/nothing",
        ORCHESTRATOR_ENDPOINT: "https://b",
        ORCHESTRATOR_CA_FILE: "/run/key.pem",
      },
      "ORCHESTRATOR_CA_FILE names a file that holds no certificate in PEM form",
      "R2_CA_FILE names a file that cannot be read: ENOENT",
    ],
  ];
  for (const [settings, ...expected] of violations)
    it(`rejects ${JSON.stringify(settings)}`, () =>
      assert.deepEqual(
        settingErrors(overStore(settings), readFile),
        expected.map((violation) => prefix + violation),
      ));
});
