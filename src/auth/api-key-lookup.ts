import type { OrchestratorClient } from "../orchestrator/client.ts";
import { outgoingMetadata } from "../orchestrator/metadata.ts";
import type { LookUpApiKey } from "./api-key-cache.ts";

/** What metadata carries unchanged: printable ASCII without a space at either end. */
const principalPattern = /^[!-~](?:[ -~]*[!-~])?$/;

/**
 * Asks AuthenticateApiKey within `timeoutMs`. Rejects where the answer names no principal that the metadata of
 * later calls can carry: they would be scoped to somebody else, or not at all.
 */
export function createApiKeyLookup(client: OrchestratorClient, timeoutMs: number): LookUpApiKey {
  return async function lookUpKey(keyHash, trace, signal) {
    const { allowed, principal } = await client.authenticateApiKey(
      { keyHash },
      { signal, timeoutMs, headers: outgoingMetadata(trace) },
    );
    if (!allowed) return { allowed };
    if (!principalPattern.test(principal))
      throw new Error("the orchestrator allows a key of an unusable principal");
    return { allowed, principal };
  };
}
