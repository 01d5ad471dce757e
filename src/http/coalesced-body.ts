import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

/** What is smaller than this waits for more of its body, and as much as waits at most; in bytes. */
const smallChunk = 1024;
const pageBytes = 16 * 1024;

const { push } = Readable.prototype;

/**
 * Makes the small chunks of a request's body into larger ones for whoever listens to its `data`. Node keeps some 450
 * bytes beside each chunk, and counts only what is in it: 64 KiB that wait in chunks of a byte would hold 29 MiB.
 * What waits here counts as well, so that no more of a body is read than somebody wants.
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

  function flush(): void {
    if (page === undefined) return;
    const bytes = page.subarray(0, length);
    page = undefined;
    length = 0;
    push.call(req, bytes);
  }

  req.on("resume", flush);

  return function pushCoalesced(chunk) {
    if (chunk === null || length + chunk.length > pageBytes) flush();
    if (chunk === null || (page === undefined && chunk.length >= smallChunk)) return push.call(req, chunk);
    const wanted = length + chunk.length;
    if (page === undefined) {
      page = chunk;
      // What came with the same read from the socket is there by then.
      setImmediate(() => req.readableFlowing === true && flush());
    } else {
      if (wanted > page.length) page = Buffer.concat([page], Math.min(2 * wanted, pageBytes));
      chunk.copy(page, length);
    }
    length = wanted;
    return req.readableLength + length < req.readableHighWaterMark;
  };
}
