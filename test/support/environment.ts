import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prefix } from "../../src/settings/schema.ts";
import { SettingsError, parseSettings } from "../../src/settings/settings.ts";
import type { Settings } from "../../src/settings/settings.ts";
import { readText } from "../../src/settings/secret-files.ts";
import type { ReadFile } from "../../src/settings/secret-files.ts";
import type { TestSettings } from "./gateway.ts";

/**
 * For child processes: Node's compile cache, which halves the time of a start, and no coverage, which slows a process
 * down. The root hooks put it into the environment that every child inherits.
 */
export const withoutCoverage = {
  NODE_V8_COVERAGE: "",
  NODE_COMPILE_CACHE: join(tmpdir(), "foldforge-compile-cache"),
};

/** For a child process whose coverage counts: that of an entry point. The compile cache would make it less precise. */
export const withCoverage = {
  NODE_V8_COVERAGE: process.env["NODE_V8_COVERAGE"] ?? "",
  NODE_COMPILE_CACHE: "",
};

/** The environment that holds these settings. */
export function environment(settings: TestSettings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name.startsWith("OTEL_") ? name : prefix + name, value]),
  );
}

/** The parsed settings. */
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
