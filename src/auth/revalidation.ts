import type { TraceContext } from "../telemetry/trace-context.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Caller } from "./caller.ts";

/** The right of a caller to go on with what takes long. */
export interface Standing {
  /** The same for all that one key began as one principal: one look-up goes for all of it. */
  readonly id: string;
  /** SHA-256 of the key, lower-case hex. */
  readonly keyHash: string;
  /** Whether it is still there; rejects when nobody vouches for it any more. */
  isStillAllowed(): Promise<boolean>;
}

/** The standing of a caller; undefined for the admin, who cannot lose it. */
export function standingOf(
  authenticator: Authenticator,
  caller: Caller,
  trace: TraceContext,
): Standing | undefined {
  if (caller.kind === "admin") return undefined;
  return {
    id: `${caller.keyHash} ${caller.principal}`,
    keyHash: caller.keyHash,
    isStillAllowed: () => authenticator.isStillValid(caller, trace),
  };
}
