import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import Negotiator from "negotiator";

/** A content coding that answers are sent in (RFC 9110 §8.4.1). */
export type Coding = "br" | "gzip";

/** What is used of a Negotiator: its published types know no preference of the server. */
interface EncodingNegotiator {
  encoding(
    available: readonly string[],
    options: { readonly preferred: readonly string[] },
  ): string | undefined;
}

/** A longer Accept-Encoding is not read: none is written by a client that means it, and thousands of codings take time. */
const longestRead = 256;

/** The coding that the client likes best; where it likes both alike, the one that makes less. Undefined: none. */
export function codingFor(req: IncomingMessage): Coding | undefined {
  const { length } = req.headers["accept-encoding"] ?? "";
  if (length === 0 || length > longestRead) return undefined;
  const negotiator = new Negotiator(req) as unknown as EncodingNegotiator;
  const best = negotiator.encoding(["br", "gzip", "identity"], { preferred: ["br", "gzip"] });
  return best === "br" || best === "gzip" ? best : undefined;
}

/** How much time to take: `fast` for what is sent once, `small` for what is kept. */
type Effort = "fast" | "small";

const brotliQuality = { fast: 4, small: 9 } as const satisfies Record<Effort, number>;

const compressors = {
  br: (bytes: Uint8Array, effort: Effort) =>
    promisify(brotliCompress)(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: brotliQuality[effort],
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  gzip: (bytes: Uint8Array, effort: Effort) => promisify(gzip)(bytes, effort === "small" ? { level: 9 } : {}),
} as const satisfies Record<Coding, unknown>;

/** `bytes` in `coding`, made on another thread. */
export function encode(bytes: Uint8Array, coding: Coding, effort: Effort): Promise<Buffer> {
  return compressors[coding](bytes, effort);
}
