import { isUtf8 } from "node:buffer";

/** The contract's `WorkflowId`. */
const workflowIdPattern = /^(?!\.)[A-Za-z0-9._~:-]{1,128}$/;

/** The maximum length of the contract's `ArtifactKey`, in characters. */
const maxKeyLength = 1024;

const slash = 0x2f;
const dot = 0x2e;
const backslash = 0x5c;
const del = 0x7f;

/** The path of a workflow's artifacts, without a slash at its end; undefined for an id that the contract rejects. */
export function artifactsPath(workflowId: string): string | undefined {
  if (!workflowIdPattern.test(workflowId)) return undefined;
  return `/v1/workflows/${encodeURIComponent(workflowId)}/artifacts`;
}

/** The path below `artifactsPath` of a key in UTF-8; undefined for a key that the contract rejects. */
export function keyPath(key: Uint8Array): string | undefined {
  if (!isUtf8(key) || lengthOf(key) > maxKeyLength || !key.every(isAllowed)) return undefined;
  const segments = Buffer.from(key).toString().split("/");
  if (segments.some((segment) => ["", ".", ".."].includes(segment))) return undefined;
  return segments.map(encodeURIComponent).join("/");
}

/** The number of characters in UTF-8, each of which has one byte that does not continue another. */
function lengthOf(utf8: Uint8Array): number {
  return utf8.reduce((count, byte) => ((byte & 0xc0) === 0x80 ? count : count + 1), 0);
}

function isAllowed(byte: number): boolean {
  return byte >= 0x20 && byte !== del && byte !== backslash;
}

/** 1 for each byte that `encodeURIComponent` does not encode. */
const isUnreserved = Uint8Array.from({ length: 0x100 }, (_, byte) =>
  /[\w.!~*'()-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

/** Whether the `keyPath` of these bytes is known to be the same bytes. It is much faster than `keyPath`. */
export function isPlainKey(source: Uint8Array, start: number, end: number): boolean {
  let isSegmentStart = true;
  for (let index = start; index < end; index += 1) {
    const byte = source[index] ?? 0;
    if (byte === slash ? isSegmentStart : isUnreserved[byte] === 0 || (isSegmentStart && byte === dot))
      return false;
    isSegmentStart = byte === slash;
  }
  return !isSegmentStart && end - start <= maxKeyLength;
}
