declare module "http" {
  interface IncomingMessage {
    /** The bytes of the body that were received so far, without their framing; undefined if there were none. */
    bodyBytes?: number;
  }
  interface ServerResponse {
    /** The bytes of the body that were written so far, without their framing; those of HEAD are not sent. */
    bodyBytes?: number;
  }
}

/** Adds to the bytes of a message's body. */
export function addBodyBytes(message: { bodyBytes?: number }, bytes: number): void {
  message.bodyBytes = (message.bodyBytes ?? 0) + bytes;
}

/** The bytes of a chunk that is written; 0 for what is no chunk. */
export function bytesOfChunk(chunk: unknown, encoding: unknown): number {
  if (chunk instanceof Uint8Array) return chunk.byteLength;
  if (typeof chunk !== "string") return 0;
  return encoding === "latin1" ? chunk.length : Buffer.byteLength(chunk);
}
