import { UnfitFile } from "./read-text.ts";

/** Reads a file as text; throws what node:fs throws, or an UnfitFile. */
export type ReadFile = (path: string) => string;

/** The setting that may name a file to read the secret `name` from. */
export function fileSetting(name: string): string {
  return `${name}_FILE`;
}

/**
 * The settings with the values that files hold for `secrets`, one line end less, and the faults of those files.
 * A fault repeats neither a path, which may be a secret in the wrong place, nor what a file holds.
 */
export function withSecretFiles(
  given: ReadonlyMap<string, string>,
  secrets: readonly string[],
  readFile: ReadFile,
): { values: ReadonlyMap<string, string>; faults: string[] } {
  const values = new Map(given);
  const faults: string[] = [];
  for (const name of secrets) {
    const path = given.get(fileSetting(name));
    if (path === undefined) continue;
    // An empty one is what a template leaves of a variable that is not set.
    if (given.get(name)) {
      faults.push(`${fileSetting(name)} must not be set, since ${name} is`);
      continue;
    }
    try {
      const value = readFile(path).replace(/\r?\n$/, "");
      if (value === "") faults.push(`${fileSetting(name)} names a file that is empty`);
      else values.set(name, value);
    } catch (error) {
      faults.push(`${fileSetting(name)} ${readFault(error)}`);
    }
  }
  return { values, faults };
}

/** What is wrong with a setting whose file cannot be read. The message of an error of node:fs would repeat the path. */
export function readFault(error: unknown): string {
  const { code = "no reason is known" } = error as NodeJS.ErrnoException;
  return `names a file that cannot be read: ${error instanceof UnfitFile ? error.message : code}`;
}
