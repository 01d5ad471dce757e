import { weakETag } from "../http/etag.ts";
import { encode } from "../http/content-coding.ts";
import type { Coding } from "../http/content-coding.ts";

/** A file that does not change while the process runs. */
export interface StaticFile {
  /** Its media type, with a charset for text. */
  readonly type: string;
  readonly etag: string;
  /** Its bytes in a content coding; undefined for none. Each coding is compressed once. */
  bytes(coding: Coding | undefined): Promise<Uint8Array>;
}

export function createStaticFile(type: string, content: string | Uint8Array): StaticFile {
  const plain = typeof content === "string" ? Buffer.from(content) : content;
  const encoded = new Map<Coding, Promise<Uint8Array>>();

  return {
    type,
    etag: weakETag([plain]),
    bytes(coding) {
      if (coding === undefined) return Promise.resolve(plain);
      const known = encoded.get(coding);
      if (known !== undefined) return known;
      const made = encode([plain], coding, "small").then((pieces) => Buffer.concat(pieces));
      encoded.set(coding, made);
      // The next request compresses it again.
      made.catch(() => encoded.delete(coding));
      return made;
    },
  };
}
