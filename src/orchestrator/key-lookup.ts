import type { TraceContext } from "../telemetry/trace-context.ts";
import type { OrchestratorClient } from "./client.ts";
import { outgoingMetadata } from "./metadata.ts";

/** Whose a key is, or that it may not be used. */
type KeyVerdict = { readonly allowed: true; readonly principal: string } | { readonly allowed: false };

/** Asks AuthenticateApiKey within `timeoutMs`. A key without a principal would be unscoped, so it is refused. */
export function createKeyLookup(client: OrchestratorClient, timeoutMs: number) {
  return async function lookUpKey(keyHash: string, trace: TraceContext): Promise<KeyVerdict> {
    const { allowed, principal } = await client.authenticateApiKey(
      { keyHash },
      { timeoutMs, headers: outgoingMetadata(trace) },
    );
    return allowed && principal !== "" ? { allowed, principal } : { allowed: false };
  };
}
