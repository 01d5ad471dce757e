import { hash, timingSafeEqual } from "node:crypto";
import { unauthenticated, unavailable } from "../errors/http-error.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import { bearerTokenFrom } from "./bearer-token.ts";
import type { Caller, KeyHolder } from "./caller.ts";
import type { ApiKeyCache, KeyUse, Leaving } from "./api-key-cache.ts";

/** Repeats the authentication of a request that is still being served, such as an event stream. */
export interface Revalidation {
  /** Equal for all requests of one key and one principal, so that one lookup serves all of them. */
  readonly id: string;
  /** SHA-256 of the key, lower-case hex. */
  readonly keyHash: string;
  /** Whether the caller may continue; rejects when the key can be neither looked up nor served from the cache. */
  isStillValid(): Promise<boolean>;
}

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
  /** How the authentication of a caller is repeated later; undefined for the admin, who cannot lose access. */
  revalidationOf(caller: Caller, trace: TraceContext): Revalidation | undefined;
  /** Drops what is remembered of a key that the orchestrator has just denied. */
  invalidate(caller: KeyHolder): void;
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
      const verdict = await keys.getStatus(keyHash, trace, use, leaving).catch((error: unknown) => {
        throw unavailable(error);
      });
      if (!verdict.allowed) throw unauthenticated();
      return { kind: "key", principal: verdict.principal, keyHash };
    },
    revalidationOf(caller, trace) {
      if (caller.kind === "admin" || keys === undefined) return undefined;
      const { keyHash, principal } = caller;
      return {
        id: `${keyHash} ${principal}`,
        keyHash,
        async isStillValid() {
          const status = await keys.getStatus(keyHash, trace, "revalidation");
          return status.allowed && status.principal === principal;
        },
      };
    },
    invalidate(caller) {
      keys?.invalidate(caller.keyHash);
    },
  };
}

function sha256(token: string): Buffer {
  return hash("sha256", token, "buffer");
}
