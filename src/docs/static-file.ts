import { weakETag } from "../http/etag.ts";
import { encode } from "../http/content-coding.ts";
import type { Coding } from "../http/content-coding.ts";

/** A file that stays the same for as long as the process lives. */
export interface StaticFile {
  /** Its media type, with its charset where it has one. */
  readonly type: string;
  readonly etag: string;
  /** Its bytes, plain or in a content coding; each is made once, however many ask. */
  bytes(coding: Coding | undefined): Promise<Uint8Array>;
}

/** The file of that type and content. */
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
      // Who asks next may have more luck.
      made.catch(() => encoded.delete(coding));
      return made;
    },
  };
}
