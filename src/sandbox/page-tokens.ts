import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Turns positions in a list into opaque tokens and back. */
export interface PageTokens {
  tokenFromPosition(position: string): string;
  /** The position of a token that was issued here; undefined for anything else. */
  parseToken(token: string): string | undefined;
}

const macBytes = 16;

/** Builds tokens that are signed with a secret of this process. */
export function createPageTokens(secret: Buffer = randomBytes(32)): PageTokens {
  const sign = (position: Buffer) =>
    createHmac("sha256", secret).update(position).digest().subarray(0, macBytes);
  return {
    tokenFromPosition(position) {
      const bytes = Buffer.from(position);
      return Buffer.concat([sign(bytes), bytes]).toString("base64url");
    },
    parseToken(token) {
      const bytes = Buffer.from(token, "base64url");
      // Decoding skips what is not base64url: only the one canonical spelling counts as issued.
      if (bytes.length <= macBytes || bytes.toString("base64url") !== token) return undefined;
      const position = bytes.subarray(macBytes);
      return timingSafeEqual(bytes.subarray(0, macBytes), sign(position)) ? position.toString() : undefined;
    },
  };
}
