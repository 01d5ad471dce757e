import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  demoApiKeys,
  parseSettings as parseSandboxSettings,
  settingPrefix,
} from "../../src/sandbox/settings.ts";
import { deprecatedNames, prefix, settingNames } from "../../src/settings/schema.ts";
import { readText } from "../../src/settings/secret-files.ts";
import { parseSettings } from "../../src/settings/settings.ts";
import { parseTracing, tracingVariables } from "../../src/settings/tracing-settings.ts";
import { code, pagePaths, readPage, rows, section } from "../support/pages.ts";

const page = readPage("docs/configuration.md");
const sandbox = section(page, "Sandbox and demo");
const gateway = page.slice(0, page.indexOf("## Tracing"));

/** The name and the default, if it has one, of each row of a table. */
function documented(text: string): [name: string, value: string | undefined][] {
  return rows(text, /^`[A-Z0-9_]+`$/).map(([name, value]) => [code(name)[0] ?? "", code(value)[0]]);
}

/** An environment in which every setting that has a default is set to it. */
function defaults(text: string, prefix: string): Record<string, string> {
  return Object.fromEntries(
    documented(text).flatMap(([name, value]) => (value === undefined ? [] : [[prefix + name, value]])),
  );
}

describe("docs/configuration.md", () => {
  it("lists every setting of the gateway", () => {
    const names = documented(gateway).map(([name]) => name);
    assert.deepEqual(names.toSorted(), settingNames.toSorted());
  });

  it("gives the default of every setting that has one", () => {
    assert.deepEqual(parseSettings(defaults(gateway, prefix), readText), parseSettings({}, readText));
    for (const [name, value] of documented(gateway)) {
      if (value !== undefined) continue;
      // Emptied, a setting without a default is as if it were not set.
      const env = { [prefix + name]: "" };
      if (name !== "API_TOKEN_FILE")
        assert.deepEqual(parseSettings(env, readText), parseSettings({}, readText), name);
    }
  });

  it("lists every variable of OpenTelemetry with its default", () => {
    const variables = rows(section(page, "Tracing"), /^`OTEL_/).map(([names, value]) => ({
      names: code(names).map((name) => name.replace("…", "OTEL_EXPORTER_OTLP")),
      value: code(value)[0],
    }));
    assert.deepEqual(variables.flatMap(({ names }) => names).toSorted(), tracingVariables.toSorted());
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector" };
    const given = variables.flatMap(({ names, value }) => names.map((name) => [name, value]));
    assert.deepEqual(parseTracing({ ...Object.fromEntries(given), ...endpoint }), parseTracing(endpoint));
  });

  it("lists every setting of the sandbox with its default", () => {
    const names = documented(sandbox).map(([name]) => settingPrefix + name);
    const source = readFileSync("src/sandbox/settings.ts", "utf8");
    const known = [...source.matchAll(/^ {4}([A-Z0-9_]+): /gm)].map(([, name = ""]) => settingPrefix + name);
    assert.deepEqual(names.toSorted(), known.toSorted());
    const env = defaults(sandbox, settingPrefix);
    assert.deepEqual(parseSandboxSettings(env), parseSandboxSettings({}));
    assert.equal(env[`${settingPrefix}API_KEYS`], demoApiKeys);
  });

  it("lists every setting of the demo with its default", () => {
    const used = readFileSync("src/demo/main.ts", "utf8").matchAll(/env\.(\w+) \|\| "([^"]+)"/g);
    const settings = [...used].map(([, name = "", value = ""]) => `\`${name}\` (\`${value}\`)`);
    assert.equal(settings.length, 3);
    for (const setting of settings) assert.ok(sandbox.replaceAll("\n", " ").includes(setting), setting);
  });
});

describe("names in the documentation", () => {
  it("of settings exist, in every page", () => {
    const known = new Set([
      ...settingNames,
      ...documented(sandbox).map(([name]) => name),
      ...deprecatedNames.keys(),
    ]);
    const groups = [...new Set([...known].map((name) => name.split("_")[0]))].join("|");
    const settingLike = new RegExp(`^(?:FOLDFORGE_GATEWAY__)?((?:${groups})_[A-Z0-9_]+)$`);
    for (const path of pagePaths.filter((path) => path !== "CHANGELOG.md"))
      for (const span of code(readPage(path))) {
        const [, name] = settingLike.exec(span) ?? [];
        if (name !== undefined) assert.ok(known.has(name), `${path}: ${span}`);
      }
  });
});
