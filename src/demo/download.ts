import { createHash } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GatewayClient, Schema } from "./client.ts";
import { Failure } from "./failure.ts";

/**
 * Downloads an artifact into `folder`, which is created if it is missing. The file gets its name only after its length
 * and SHA-256 were verified; otherwise this rejects with a Failure.
 */
export async function downloadArtifact(
  client: GatewayClient,
  workflowId: string,
  artifact: Schema["Artifact"],
  folder: string,
): Promise<void> {
  const key = keyOf(artifact);
  const file = join(folder, fileNameFrom(key.slice(key.lastIndexOf("/") + 1)));
  const partial = `${file}.part`;
  const path = key.split("/").map(encodeURIComponent).join("/");
  const { body } = await client.getFile(`/v1/workflows/${encodeURIComponent(workflowId)}/artifacts/${path}`);
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(partial, verified(body ?? [], artifact));
    await rename(partial, file);
  } finally {
    await rm(partial, { force: true });
  }
}

/** The key of an artifact: what follows the bucket in its uri. */
function keyOf({ uri }: Schema["Artifact"]): string {
  const key = /^r2:\/\/[^/]+\/(.+)$/.exec(uri)?.[1];
  if (key === undefined) throw new Failure(`${uri} is not the address of an artifact`);
  return key;
}

/** `text` as a file name, which cannot lead to another folder. */
export function fileNameFrom(text: string): string {
  return encodeURIComponent(text).replace(/^\.+$/, (dots) => "%2E".repeat(dots.length));
}

/** Yields the bytes; throws a Failure at the end if they are not those of the artifact. */
async function* verified(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { uri, size_bytes, sha256 }: Schema["Artifact"],
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash("sha256");
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      hash.update(chunk);
      yield chunk;
      // The rest of a body that is too long is not read.
      if (size > size_bytes) break;
    }
  } catch (cause) {
    throw new Failure(`the transfer of ${uri} broke`, { cause });
  }
  if (size !== size_bytes)
    throw new Failure(
      `${uri} has ${size > size_bytes ? "more than" : `only ${size} of`} ${size_bytes} bytes`,
    );
  const actual = hash.digest("hex");
  if (actual !== sha256) throw new Failure(`${uri} has SHA-256 ${actual} instead of ${sha256}`);
}
