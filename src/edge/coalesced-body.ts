import type { IncomingMessage } from "node:http";

/** What is smaller than this waits for more of its body, and as much as waits at most; in bytes. */
const smallChunk = 1024;
const pageBytes = 16 * 1024;

/**
 * Makes the small chunks of a request's body into larger ones before anybody reads them. Node keeps some 450 bytes
 * beside each chunk, and counts only what is in it: 64 KiB that wait in chunks of a byte would hold 29 MiB.
 */
export function coalesceBody(req: IncomingMessage): void {
  const push = req.push.bind(req);
  let page: Buffer | undefined;
  let length = 0;

  function flush(): boolean {
    if (page === undefined) return true;
    const bytes = page.subarray(0, length);
    page = undefined;
    return push(bytes);
  }

  req.push = function pushCoalesced(chunk: Buffer | null): boolean {
    if (chunk === null || chunk.length >= smallChunk || length + chunk.length > pageBytes) flush();
    if (chunk === null || chunk.length >= smallChunk) return push(chunk);
    if (page === undefined) {
      page = chunk;
      length = chunk.length;
      // What came with the same read from the socket is there by then.
      setImmediate(flush);
      return true;
    }
    // Most bodies are one chunk, and need no copy.
    if (page.length < pageBytes) page = Buffer.concat([page], pageBytes);
    length += chunk.copy(page, length);
    return true;
  };
}
