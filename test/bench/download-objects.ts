import { createHash } from "node:crypto";
import { amount } from "./amounts.ts";

export const bucket = "foldforge";
export const mebibyte = 1024 * 1024;

/** The stored objects' lengths, in MiB. */
export const lengths = { small: 1, medium: amount(256, 1), large: amount(1024, 2) } as const;

/** The bytes that every object repeats. */
export const block = Buffer.alloc(mebibyte, "ATOM      1  N   GLY A   1\n");

/** Whether an object's artifact metadata has its SHA-256. */
export type Kind = "checked" | "plain";

/** The key of an object; its length can be read from it. */
export function keyOf(kind: Kind, mebibytes: number): string {
  return `${kind}/${mebibytes}.pdb`;
}

/** Length in MiB of the object that a path names; undefined when it names none. */
export function lengthIn(path: string): number | undefined {
  const [, digits] = /\/(\d+)\.pdb(?:\?.*)?$/.exec(path) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** SHA-256 of an object, in lower-case hex. */
export function sha256Of(mebibytes: number): string {
  const hash = createHash("sha256");
  for (let i = 0; i < mebibytes; i += 1) hash.update(block);
  return hash.digest("hex");
}
