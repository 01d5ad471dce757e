import { hash, timingSafeEqual } from "node:crypto";
import { unavailable } from "../errors/http-error.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import type { Caller, KeyHolder } from "./caller.ts";
import type { ApiKeyCache, KeyUse } from "./api-key-cache.ts";

/** Identifies the caller of a request. */
export interface Authenticator {
  /**
   * The caller that an `Authorization` header identifies; undefined if it identifies none. Rejects with 503 when the API
   * key cannot be looked up and no cached status is good enough for `use`. `getSignal` is called only when a lookup is
   * needed; when its signal aborts, the promise rejects.
   */
  authenticate(
    authorization: string | undefined,
    trace: TraceContext,
    use: KeyUse,
    getSignal: () => AbortSignal,
  ): Promise<Caller | undefined>;
  /** How to check later that a caller is still allowed; undefined for the administrator, whose access does not end. */
  revalidationOf(caller: Caller, trace: TraceContext): Revalidation | undefined;
  /** Removes a key from the cache after the orchestrator has denied it. */
  invalidate(caller: KeyHolder): void;
}

/** Checks again whether the caller of a long request, such as an event stream, is allowed. */
export interface Revalidation {
  /** Equal for all requests with the same key and principal, so that one check serves all of them. */
  readonly id: string;
  /** SHA-256 of the key, lower-case hex. */
  readonly keyHash: string;
  /** Whether the caller is still allowed; rejects when neither a lookup nor the cache can say. */
  isStillValid(): Promise<boolean>;
}

/**
 * Authenticates the static `apiTokens`, the current one first, and, with a `cache`, API keys. Only hashes of tokens leave
 * this file.
 */
export function createAuthenticator(
  apiTokens: readonly string[],
  cache: ApiKeyCache | undefined,
): Authenticator {
  const adminHashes = apiTokens.map((token) => Buffer.from(sha256(token)));

  return {
    async authenticate(authorization, trace, use, getSignal) {
      const token = bearerTokenFrom(authorization);
      if (token === undefined) return undefined;
      const keyHash = sha256(token);
      const bytes = Buffer.from(keyHash);
      // Compares all hashes, so that the time does not depend on which one matches.
      const matches = adminHashes.map((adminHash) => timingSafeEqual(bytes, adminHash));
      const match = matches.indexOf(true);
      if (match >= 0) return { kind: "admin", token: match === 0 ? "current" : "previous" };
      if (cache === undefined) return undefined;
      // Any failure becomes 503: its code describes the gateway's call, not the client's request.
      const status = await cache.getStatus(keyHash, trace, use, getSignal).catch((error: unknown) => {
        throw unavailable(error);
      });
      return status.allowed ? { kind: "key", principal: status.principal, keyHash } : undefined;
    },
    revalidationOf(caller, trace) {
      if (caller.kind === "admin" || cache === undefined) return undefined;
      const { keyHash, principal } = caller;
      return {
        id: `${keyHash} ${principal}`,
        keyHash,
        async isStillValid() {
          const status = await cache.getStatus(keyHash, trace, "revalidation");
          return status.allowed && status.principal === principal;
        },
      };
    },
    invalidate(caller) {
      cache?.invalidate(caller.keyHash);
    },
  };
}

/** RFC 6750 §2.1: the scheme in any case, and one token. Tokens in use may have more characters than its b64token. */
const bearerPattern = /^bearer +([!-~]+)$/i;

/** The token of an `Authorization` header; undefined when the header is missing or is not one bearer token. */
function bearerTokenFrom(header: string | undefined): string | undefined {
  return bearerPattern.exec(header ?? "")?.[1];
}

/** In lower-case hex; Node allocates memory outside of its heap for a digest in bytes, which takes longer than the hash. */
function sha256(token: string): string {
  return hash("sha256", token, "hex");
}
