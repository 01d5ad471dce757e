import assert from "node:assert/strict";
import { SettingsError, parseSettings, prefix } from "../../src/settings/settings.ts";
import type { Settings } from "../../src/settings/settings.ts";
import { readText } from "../../src/settings/read-text.ts";
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

/** What the gateway makes of them. */
export function configOf(settings: TestSettings, readFile: ReadFile = readText): Settings {
  return parseSettings(environment(settings), readFile).config;
}

/** The lines of the one error that these settings raise, without its first. */
export function settingErrors(settings: TestSettings, readFile: ReadFile = readText): string[] {
  try {
    configOf(settings, readFile);
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    const [title, ...faults] = error.message.split("\n");
    assert.equal(title, "the configuration is wrong:");
    return faults.map((fault) => fault.trim());
  }
  return assert.fail("the settings were accepted");
}
