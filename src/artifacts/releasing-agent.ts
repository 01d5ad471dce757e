import type { Agent } from "node:http";
import { freeChunk } from "./chunk-memory.ts";

/**
 * Makes an agent's connections release what they read from a socket: HTTP's parser copies each body out of it,
 * and nobody else looks at it.
 */
export function freeChunksAfterRead<A extends Agent>(agent: A): A {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = function createConnection(options, callback) {
    const socket = connect(options, callback);
    // The parser is done with a chunk when all listeners have returned, whichever of them comes first.
    socket?.on("data", (chunk: Buffer) => queueMicrotask(() => freeChunk(chunk)));
    return socket;
  };
  return agent;
}
