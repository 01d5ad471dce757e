import type { Agent } from "node:http";

/**
 * Frees the memory of a chunk at once; its buffer is detached and has no bytes afterwards. Left to the garbage collector,
 * the chunks of one large file add up to dozens of MiB and cause a major collection each time. A view of a larger buffer
 * is not freed, since others may use it.
 */
export function freeChunk({ buffer, length }: Buffer): void {
  if (length > 0 && length === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/**
 * Makes the connections of an agent free each chunk that they have read: Node's HTTP parser copies the body out of it,
 * and nothing else uses it.
 */
export function freeChunksAfterRead<A extends Agent>(agent: A): A {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = function createConnection(options, callback) {
    const socket = connect(options, callback);
    // All listeners, the parser among them, have returned before the microtask runs.
    socket?.on("data", (chunk: Buffer) => queueMicrotask(() => freeChunk(chunk)));
    return socket;
  };
  return agent;
}
