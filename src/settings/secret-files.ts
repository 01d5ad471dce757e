import { readFileSync, statSync } from "node:fs";

/** Reads a file as text. Throws the error of node:fs or an UnreadableFileError. */
export type ReadFile = (path: string) => string;

/** A file that exists and must not be read. The message completes "it" with the reason and does not repeat the path. */
export class UnreadableFileError extends Error {
  override readonly name = "UnreadableFileError";
}

/** The maximum size of a file, in bytes: more than the CA bundle of a browser. */
const maxBytes = 1024 * 1024;

/**
 * Reads a regular file of at most 1 MiB. Without these bounds, a pipe that nobody writes to would block the start
 * forever, and a device may have no end.
 */
export const readText: ReadFile = function readText(path) {
  const file = statSync(path);
  // For a directory, the error of node:fs is clear.
  if (!file.isFile() && !file.isDirectory()) throw new UnreadableFileError("it is not a regular file");
  if (file.size > maxBytes) throw new UnreadableFileError(`it is longer than ${maxBytes} bytes`);
  return readFileSync(path, "utf8");
};

/** The setting that may name a file to read the secret `name` from. */
export function fileSetting(name: string): string {
  return `${name}_FILE`;
}

/**
 * Adds to the settings the values of the secrets that are in files, without one line end at the end. A violation
 * repeats neither a path, which may be a secret in the wrong place, nor the content of a file.
 */
export function withSecretFiles(
  given: ReadonlyMap<string, string>,
  secrets: readonly string[],
  readFile: ReadFile,
): { values: ReadonlyMap<string, string>; violations: string[] } {
  const values = new Map(given);
  const violations: string[] = [];
  for (const name of secrets) {
    const path = given.get(fileSetting(name));
    if (path === undefined) continue;
    // A template leaves an empty value where its variable is not set.
    if (given.get(name)) {
      violations.push(`${fileSetting(name)} must not be set, since ${name} is`);
      continue;
    }
    try {
      const value = readFile(path).replace(/\r?\n$/, "");
      if (value === "") violations.push(`${fileSetting(name)} names a file that is empty`);
      else values.set(name, value);
    } catch (error) {
      violations.push(`${fileSetting(name)} ${unreadable(error)}`);
    }
  }
  return { values, violations };
}

/** The violation of a setting whose file cannot be read. The message of an error of node:fs would repeat the path. */
export function unreadable(error: unknown): string {
  const { code = "unknown error" } = error as NodeJS.ErrnoException;
  return `names a file that cannot be read: ${error instanceof UnreadableFileError ? error.message : code}`;
}
