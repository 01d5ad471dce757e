import type { Readable } from "node:stream";

/** Far more than S3 says of an error, in bytes. */
const maxPageBytes = 65_536;

/** All of what the object store says of an error. Rejects, and destroys `body`, when that is more than 64 KiB. */
export async function readErrorBody(body: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxPageBytes) {
      throw new Error(`the object store says more than ${maxPageBytes} bytes of an error`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
