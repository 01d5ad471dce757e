import type { IncomingMessage } from "node:http";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import Negotiator from "negotiator";

/** A content coding of responses (RFC 9110 §8.4.1). */
export type Coding = "br" | "gzip";

/** The part of Negotiator that is used here; its published types lack `preferred`. */
interface EncodingNegotiator {
  encoding(
    available: readonly string[],
    options: { readonly preferred: readonly string[] },
  ): string | undefined;
}

/** A longer Accept-Encoding is ignored: no real client sends one, and thousands of codings take time. */
const maxHeaderLength = 256;

/** The coding that the client prefers, br if it accepts both equally; undefined for none. */
export function codingFor(req: IncomingMessage): Coding | undefined {
  const { length } = req.headers["accept-encoding"] ?? "";
  if (length === 0 || length > maxHeaderLength) return undefined;
  const negotiator = new Negotiator(req) as unknown as EncodingNegotiator;
  const best = negotiator.encoding(["br", "gzip", "identity"], { preferred: ["br", "gzip"] });
  return best === "br" || best === "gzip" ? best : undefined;
}

/** `fast` for what is sent once, `small` for what is cached. */
type Effort = "fast" | "small";

const brotliQuality = { fast: 4, small: 9 } as const satisfies Record<Effort, number>;

const compressors = {
  br: (bytes: number, effort: Effort) =>
    createBrotliCompress({
      params: {
        [constants.BROTLI_PARAM_QUALITY]: brotliQuality[effort],
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes,
      },
    }),
  gzip: (_bytes: number, effort: Effort) => createGzip(effort === "small" ? { level: 9 } : {}),
} as const satisfies Record<Coding, unknown>;

/** Compresses `pieces` on another thread. Both sides are in pieces, so that large ones are not copied together. */
export async function encode(
  pieces: readonly Uint8Array[],
  coding: Coding,
  effort: Effort,
): Promise<readonly Buffer[]> {
  const compressor = compressors[coding](lengthOf(pieces), effort);
  for (const piece of pieces) compressor.write(piece);
  compressor.end();
  return (await compressor.toArray()) as Buffer[];
}

/** The total length of `pieces`, in bytes. */
export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
