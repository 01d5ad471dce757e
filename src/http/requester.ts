import { actorOf, principalOf } from "../auth/caller.ts";
import type { Requester } from "../telemetry/requester.ts";
import { traceFields } from "../telemetry/trace-context.ts";
import type { TracedLocals } from "./stages.ts";

/** Who made the request with these locals. */
export function requesterOf({ trace, client, caller }: TracedLocals): Requester {
  return {
    ...traceFields(trace),
    client_address: client.address,
    actor: actorOf(caller),
    principal: caller === undefined ? undefined : principalOf(caller),
  };
}
