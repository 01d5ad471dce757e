import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import {
  AuthenticateApiKeyResponseSchema,
  ConsumeQuotaResponseSchema,
  type AuthenticateApiKeyResponse,
  type ConsumeQuotaResponse,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { ApiKeySetting } from "./settings.ts";

/** API keys by hash, each with its count of submissions. */
export interface ApiKeys {
  authenticate(keyHash: string): AuthenticateApiKeyResponse;
  /** Counts one submission against the quota of a key; one that exceeds it is not counted. */
  consume(keyHash: string): ConsumeQuotaResponse;
  /** Denies a key from now on. */
  revoke(key: string): void;
}

interface Entry {
  readonly principal: string;
  readonly limit: number;
  readonly windowMs: number;
  used: number;
  windowEnd: number;
  revoked: boolean;
}

const hashKey = (key: string) => createHash("sha256").update(key).digest("hex");

/** A window starts with the first submission after the previous window has ended. */
export function createApiKeys(settings: readonly ApiKeySetting[], now: () => number): ApiKeys {
  const entries = new Map<string, Entry>(
    settings.map(({ principal, key, limit, windowSeconds }) => [
      hashKey(key),
      { principal, limit, windowMs: windowSeconds * 1000, used: 0, windowEnd: 0, revoked: false },
    ]),
  );

  function denyReason(entry: Entry | undefined): string {
    if (entry === undefined) return "unknown API key";
    return entry.revoked ? "revoked API key" : "";
  }

  return {
    authenticate(keyHash) {
      const entry = entries.get(keyHash);
      const reason = denyReason(entry);
      if (entry === undefined || reason !== "")
        return create(AuthenticateApiKeyResponseSchema, { denyReason: reason });
      return create(AuthenticateApiKeyResponseSchema, { allowed: true, principal: entry.principal });
    },
    // Nothing is awaited between check and count, so that two calls cannot use the same unit.
    consume(keyHash) {
      const entry = entries.get(keyHash);
      const reason = denyReason(entry);
      if (entry === undefined || reason !== "")
        return create(ConsumeQuotaResponseSchema, { denyReason: reason });
      const { principal, limit } = entry;
      const time = now();
      if (time >= entry.windowEnd) Object.assign(entry, { used: 0, windowEnd: time + entry.windowMs });
      const allowed = limit === 0 || entry.used < limit;
      if (allowed) entry.used += 1;
      return create(ConsumeQuotaResponseSchema, {
        allowed,
        limit: BigInt(limit),
        used: BigInt(entry.used),
        principal,
        denyReason: allowed ? "" : `quota of ${limit} submissions per ${entry.windowMs / 1000} s exhausted`,
      });
    },
    revoke(key) {
      const entry = entries.get(hashKey(key));
      if (entry !== undefined) entry.revoked = true;
    },
  };
}
