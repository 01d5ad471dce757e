/**
 * Gives the memory of a chunk back at once; whatever still refers to it sees no bytes. Left to the garbage collector,
 * the chunks of one large file pile up by the dozens of MiB and make it search the whole heap for each such pile.
 * A view of a larger buffer is left alone: others may read there.
 */
export function freeChunk({ buffer, length }: Buffer): void {
  if (length > 0 && length === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
