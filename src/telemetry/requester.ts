import type { TraceFields } from "./trace-context.ts";

/** The fields of a log line that say which request it is about, and who made it. Undefined fields are not logged. */
export interface Requester extends TraceFields {
  readonly client_address: string | undefined;
  /** One of the administrator's tokens, a principal, or `anonymous`. */
  readonly actor: string;
  /** Only of an API key: an actor alone could be a principal that is called `admin`. */
  readonly principal: string | undefined;
}
