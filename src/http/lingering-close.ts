import type { Socket } from "node:net";

/** How long a client may take to see its answer before its connection is destroyed, in milliseconds. */
const idleTimeoutMs = 1000;

/**
 * Closes a connection of which not everything was read, in two stages (RFC 9112 §9.6): a connection that is
 * destroyed at once resets the client, and one that is still sending may then never read its answer. Nothing more
 * is read meanwhile.
 */
export function lingeringClose(socket: Socket): void {
  socket.end();
  socket.pause();
  // Node reads on after an answer, to get at the next request.
  socket.on("resume", () => socket.pause());
  const linger = setTimeout(() => socket.destroy(), idleTimeoutMs);
  socket.once("close", () => clearTimeout(linger));
}
