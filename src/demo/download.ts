import { createHash } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GatewayClient, Schema } from "./client.ts";
import { Failure } from "./failure.ts";

/**
 * Downloads an artifact into `folder`, which exists. The file gets its name only after its length and SHA-256 were
 * verified; otherwise this rejects with a Failure.
 */
export async function downloadArtifact(
  client: GatewayClient,
  artifact: Schema["Artifact"],
  folder: string,
): Promise<void> {
  const { name, href } = artifact;
  if (href === undefined) throw new Failure(`${name} is not in the object store of this gateway`);
  const file = join(folder, fileNameFrom(name));
  const partial = `${file}.part`;
  const { body } = await client.getFile(href);
  try {
    await writeFile(partial, verified(body ?? [], artifact));
    await rename(partial, file);
  } finally {
    await rm(partial, { force: true });
  }
}

/** `text` as a file name, which cannot lead to another folder. */
export function fileNameFrom(text: string): string {
  return text
    .replace(/[^\p{L}\p{M}\p{N}._~-]/gu, encodeURIComponent)
    .replace(/^\.+$/, (dots) => "%2E".repeat(dots.length));
}

/**
 * Yields the bytes; throws a Failure at the end if they are not those of the artifact. A length of 0 and an empty SHA-256
 * are unknown.
 */
async function* verified(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { name, size_bytes, sha256 }: Schema["Artifact"],
): AsyncGenerator<Uint8Array, void> {
  const expected = size_bytes === 0 ? undefined : size_bytes;
  const hash = createHash("sha256");
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      hash.update(chunk);
      yield chunk;
      // The rest of a body that is too long is not read.
      if (expected !== undefined && size > expected) break;
    }
  } catch (cause) {
    throw new Failure(`the transfer of ${name} broke`, { cause });
  }
  if (expected !== undefined && size !== expected)
    throw new Failure(`${name} has ${size > expected ? "more than" : `only ${size} of`} ${expected} bytes`);
  const actual = hash.digest("hex");
  if (sha256 !== "" && actual !== sha256)
    throw new Failure(`${name} has SHA-256 ${actual} instead of ${sha256}`);
}
