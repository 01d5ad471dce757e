import { createHash } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dataOf } from "./client.ts";
import type { GatewayClient, Schema } from "./client.ts";
import { Failure } from "./failure.ts";

/**
 * Downloads a file of a workflow into `folder`, which is made when it is missing. Under its own name it is
 * there only when its length and SHA-256 are those of `artifact`; otherwise a Failure says what is wrong.
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
  const params = { path: { id: workflowId, key } };
  const answer = await client.GET("/v1/workflows/{id}/artifacts/{key}", { params, parseAs: "stream" });
  // The client library gives an empty file no body.
  const body = answer.data ?? (answer.response.ok ? [] : dataOf(answer));
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(partial, verified(body, artifact));
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

/** A file name that says `text`, and cannot lead to another folder. */
export function fileNameFrom(text: string): string {
  return encodeURIComponent(text).replace(/^\.+$/, (dots) => "%2E".repeat(dots.length));
}

/** Passes the bytes on; throws a Failure in place of the end when they are not those of the artifact. */
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
      // More than was promised need not be read to its end.
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
