import assert from "node:assert/strict";
import { prefix } from "../../src/settings/schema.ts";
import { SettingsError, parseSettings } from "../../src/settings/settings.ts";
import type { Settings } from "../../src/settings/settings.ts";
import { readText } from "../../src/settings/secret-files.ts";
import type { ReadFile } from "../../src/settings/secret-files.ts";
import type { TestSettings } from "./gateway.ts";

/** Keeps a process from counting coverage, which Node hands down else: counting takes several times as much. */
export const withoutCoverage = { NODE_V8_COVERAGE: "" };

/** The environment that holds these settings. */
export function environment(settings: TestSettings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name.startsWith("OTEL_") ? name : prefix + name, value]),
  );
}

/** What the gateway parses them to. */
export function settingsOf(settings: TestSettings, readFile: ReadFile = readText): Settings {
  return parseSettings(environment(settings), readFile).settings;
}

/** The violations that the error of these settings lists. */
export function settingErrors(settings: TestSettings, readFile: ReadFile = readText): string[] {
  try {
    settingsOf(settings, readFile);
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    const [title, ...violations] = error.message.split("\n");
    assert.equal(title, "invalid settings:");
    return violations.map((violation) => violation.trim());
  }
  return assert.fail("the settings were accepted");
}
