import { hash, timingSafeEqual } from "node:crypto";
import { unauthenticated, unavailable } from "../errors/http-error.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import { bearerTokenFrom } from "./bearer-token.ts";
import type { Caller, KeyHolder } from "./caller.ts";
import type { ApiKeyCache, KeyUse, Leaving } from "./api-key-cache.ts";

/** Tells who makes a request. */
export interface Authenticator {
  /**
   * The caller behind an `Authorization` header; rejects with the one 401, or with 503 when nobody vouches for
   * the key for this `use` and it cannot be looked up. It waits no longer once `leaving` aborts.
   */
  authenticate(
    authorization: string | undefined,
    trace: TraceContext,
    use: KeyUse,
    leaving: Leaving,
  ): Promise<Caller>;
  /** Whether a caller that was authenticated before may go on reading; rejects when nobody vouches for it any more. */
  isStillValid(caller: Caller, trace: TraceContext): Promise<boolean>;
  /** Drops what is remembered of a key that the orchestrator has just denied. */
  forget(caller: KeyHolder): void;
}

/**
 * Authenticates the static `apiTokens` and, with a `keys` directory, API keys. A raw token goes no further
 * than this function: the directory knows hashes only.
 */
export function createAuthenticator(
  apiTokens: readonly string[],
  keys: ApiKeyCache | undefined,
): Authenticator {
  const adminDigests = apiTokens.map(sha256);

  return {
    async authenticate(authorization, trace, use, leaving) {
      const token = bearerTokenFrom(authorization);
      if (token === undefined) throw unauthenticated();
      const digest = sha256(token);
      // Each is compared, so that the time does not tell which of them it is.
      const matches = adminDigests.map((adminDigest) => timingSafeEqual(digest, adminDigest));
      if (matches.includes(true)) return { kind: "admin" };
      if (keys === undefined) throw unauthenticated();
      const keyHash = digest.toString("hex");
      // Whatever the failure says is between gateway and orchestrator: nobody knows yet who is asking.
      const verdict = await keys.verdictOn(keyHash, trace, use, leaving).catch((error: unknown) => {
        throw unavailable(error);
      });
      if (!verdict.allowed) throw unauthenticated();
      return { kind: "key", principal: verdict.principal, keyHash };
    },
    async isStillValid(caller, trace) {
      if (caller.kind === "admin" || keys === undefined) return true;
      const verdict = await keys.verdictOn(caller.keyHash, trace, "follow");
      return verdict.allowed && verdict.principal === caller.principal;
    },
    forget(caller) {
      keys?.forget(caller.keyHash);
    },
  };
}

function sha256(token: string): Buffer {
  return hash("sha256", token, "buffer");
}
