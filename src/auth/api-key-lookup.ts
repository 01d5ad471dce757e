import type { OrchestratorClient } from "../orchestrator/client.ts";
import { createCallOptions } from "../orchestrator/call-options.ts";
import type { LookUpApiKey } from "./api-key-cache.ts";

/** A value that gRPC metadata carries unchanged: printable ASCII without a space at either end. */
const principalPattern = /^[!-~](?:[ -~]*[!-~])?$/;

/**
 * Looks keys up with AuthenticateApiKey, within `timeoutMs`. Rejects when the principal of an allowed key cannot be sent
 * as metadata: later calls would be scoped to another principal, or to none.
 */
export function createApiKeyLookup(client: OrchestratorClient, timeoutMs: number): LookUpApiKey {
  return async function lookUpApiKey(keyHash, trace, signal) {
    const { allowed, principal } = await client.authenticateApiKey(
      { keyHash },
      createCallOptions({ trace }, { signal, timeoutMs }),
    );
    if (!allowed) return { allowed };
    if (!principalPattern.test(principal))
      throw new Error("the orchestrator allows an API key whose principal cannot be sent as metadata");
    return { allowed, principal };
  };
}
