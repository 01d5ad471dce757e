import type { IncomingMessage } from "node:http";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
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
  br: (bytes: number, effort: Effort) =>
    createBrotliCompress({
      params: {
        [constants.BROTLI_PARAM_QUALITY]: brotliQuality[effort],
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes,
      },
    }),
  gzip: (_bytes: number, effort: Effort) => createGzip(effort === "small" ? { level: 9 } : {}),
} as const satisfies Record<Coding, unknown>;

/** The bytes of `pieces` in `coding`, made on another thread, in pieces again: large ones are not copied together. */
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

/** How long `pieces` are together, in bytes. */
export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
