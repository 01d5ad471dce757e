import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

/** What is smaller than this waits for more of its body, and as much as waits at most; in bytes. */
const smallChunk = 1024;
const pageBytes = 16 * 1024;

const { push } = Readable.prototype;

/**
 * Makes the small chunks of a request's body into larger ones before anybody reads them. Node keeps some 450 bytes
 * beside each chunk, and counts only what is in it: 64 KiB that wait in chunks of a byte would hold 29 MiB.
 */
export function coalesceBody(req: IncomingMessage): void {
  // The same function for all: most bodies are one chunk, and one of its own for each costs as much as reading them.
  req.push = pushFirst;
}

function pushFirst(this: IncomingMessage, chunk: Buffer | null): boolean {
  const isSmall = chunk !== null && chunk.length < smallChunk;
  if (!isSmall || chunk.length === Number(this.headers["content-length"])) return push.call(this, chunk);
  this.push = createPush(this);
  return this.push(chunk);
}

function createPush(req: IncomingMessage): (chunk: Buffer | null) => boolean {
  let page: Buffer | undefined;
  let length = 0;

  function flush(): boolean {
    if (page === undefined) return true;
    const bytes = page.subarray(0, length);
    page = undefined;
    return push.call(req, bytes);
  }

  return function pushCoalesced(chunk) {
    if (chunk === null || chunk.length >= smallChunk || length + chunk.length > pageBytes) flush();
    if (chunk === null || chunk.length >= smallChunk) return push.call(req, chunk);
    if (page === undefined) {
      page = chunk;
      length = chunk.length;
      // What came with the same read from the socket is there by then.
      setImmediate(flush);
      return true;
    }
    // What is alone in its page needs no copy.
    if (page.length < pageBytes) page = Buffer.concat([page], pageBytes);
    length += chunk.copy(page, length);
    return true;
  };
}
