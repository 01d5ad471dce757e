import { download } from "./download-client.ts";
import { lengths } from "./download-objects.ts";
import type { Kind } from "./download-objects.ts";
import type { Side } from "./download-sides.ts";
import { cpuOf } from "./processes.ts";
import { compare } from "./rounds.ts";
import type { Comparison } from "./rounds.ts";

const mebibytes = lengths.medium;

/** Compares the CPU per MiB of the same download, after one of each that warms up. */
export async function compareDownloads(own: Side, base: Side, kind: Kind): Promise<Comparison> {
  for (const { source } of [base, own]) await download(source(kind, mebibytes), mebibytes);
  return compare(
    () => microsPerMebibyte(own, kind),
    () => microsPerMebibyte(base, kind),
  );
}

async function microsPerMebibyte({ server, source }: Side, kind: Kind): Promise<number> {
  return (await cpuOf(server, () => download(source(kind, mebibytes), mebibytes))) / mebibytes;
}
