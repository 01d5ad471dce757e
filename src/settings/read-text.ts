import { readFileSync, statSync } from "node:fs";

/** Longest file that is read, in bytes: more than all the authorities of a browser. */
const maxBytes = 1024 * 1024;

/** A file that is there and is none to read. Its message says why, after "it", and repeats no path. */
export class UnfitFile extends Error {
  override readonly name = "UnfitFile";
}

/**
 * Reads a file as text; throws what node:fs throws, or an UnfitFile. A pipe to which nobody writes would hold up the
 * start for ever, and a device may have no end.
 */
export function readText(path: string): string {
  const file = statSync(path);
  if (!file.isFile() && !file.isDirectory()) throw new UnfitFile("it is not a regular file");
  if (file.size > maxBytes) throw new UnfitFile(`it is longer than ${maxBytes} bytes`);
  return readFileSync(path, "utf8");
}
