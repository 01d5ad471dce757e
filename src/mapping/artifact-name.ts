import { hash } from "node:crypto";
import { equalsBytes } from "./bytes.ts";

/** The file name of an artifact, by the id of its step, its index among the step's outputs, its uri in UTF-8 and its type. */
export function artifactName(stepId: string, index: number, uri: Uint8Array, contentType: string): string {
  const extension = Buffer.from(uri.subarray(extensionStart(uri, 0, uri.length))).toString();
  return `${nameStem(stepId)}-${index}${extension || extensionOfType(contentType)}`;
}

/** The maximum length of a stem, in bytes of UTF-8: as long as a step id in ASCII may be. */
const maxStemBytes = 128;

/** Ids that are their own stem. */
const plainId = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** What a stem may not have: `.` or `-` as the first character, and all but letters, digits, `.`, `_` and `-`. */
const unsafe = /^[.-]|[^\p{L}\p{M}\p{N}._-]/gu;

/**
 * The beginning of the names of a step's files: its id, with every unsafe character replaced. An id that is not its own
 * stem gets a hash, after a `~` that no id keeps, so that different ids have different stems.
 */
export function nameStem(stepId: string): string {
  if (plainId.test(stepId)) return stepId;
  const stem = truncated(stepId.normalize().replace(unsafe, "_"));
  return stem === stepId && stem !== "" ? stem : `${stem}~${hash("sha256", stepId).slice(0, 8)}`;
}

/** The longest beginning of `text` of at most `maxStemBytes`. */
function truncated(text: string): string {
  const bytes = new Uint8Array(maxStemBytes);
  return text.slice(0, new TextEncoder().encodeInto(text, bytes).read);
}

/** The extensions of files whose uri has none, by media type. */
const extensions: ReadonlyMap<string, string> = new Map([
  ["application/gzip", ".gz"],
  ["application/json", ".json"],
  ["application/zip", ".zip"],
  ["chemical/x-cif", ".cif"],
  ["chemical/x-fasta", ".fasta"],
  ["chemical/x-mmcif", ".cif"],
  ["chemical/x-pdb", ".pdb"],
  ["image/png", ".png"],
  ["text/csv", ".csv"],
  ["text/plain", ".txt"],
  ["text/x-fasta", ".fasta"],
]);

/** The maximum length of an extension, without its dot. */
const maxExtensionLength = 12;

/** Extensions that are written together with the one before them. */
const compressed = [".gz", ".bz2", ".xz", ".zst"].map((extension) => Buffer.from(extension));

const dot = 0x2e;

/** 1 for each byte that an extension may have. */
const isAlphanumeric = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z0-9]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

/** Where the extension of a file begins, at its dot, in a uri from `start` to `end`; `end` if it has none. */
export function extensionStart(source: Uint8Array, start: number, end: number): number {
  const last = lastDot(source, start, end);
  const isCompressed = compressed.some((extension) => equalsBytes(source, last, end, extension));
  const inner = isCompressed ? lastDot(source, start, last) : last;
  return inner === end ? last : inner;
}

function lastDot(source: Uint8Array, start: number, end: number): number {
  const first = Math.max(start, end - maxExtensionLength - 1);
  for (let index = end - 1; index >= first; index -= 1) {
    const byte = source[index] ?? 0;
    if (byte === dot) return index === end - 1 ? end : index;
    if (isAlphanumeric[byte] === 0) break;
  }
  return end;
}

/** The extension of a file with its dot by its content type; empty if the type is not a known one. */
export function extensionOfType(contentType: string): string {
  const [mediaType = ""] = contentType.toLowerCase().split(";");
  return extensions.get(mediaType.trim()) ?? "";
}
