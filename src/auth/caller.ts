/** The sender of a request. */
export type Caller = Admin | KeyHolder;

/** The holder of a static token: sees every workflow and has no quota. */
export interface Admin {
  readonly kind: "admin";
  /** Which of the two static tokens was sent. */
  readonly token: "current" | "previous";
}

/** The holder of an API key: sees the principal's workflows and has the key's quota. */
export interface KeyHolder {
  readonly kind: "key";
  readonly principal: string;
  /** SHA-256 of the key, lower-case hex. */
  readonly keyHash: string;
}

/** The principal that scopes a caller's calls; undefined for the admin, whose calls are unscoped. */
export function principalOf(caller: Caller): string | undefined {
  return caller.kind === "key" ? caller.principal : undefined;
}

/** Who made a request, for the log: one of the administrator's tokens, the principal of a key, or `anonymous`. */
export function actorOf(caller: Caller | undefined): string {
  if (caller === undefined) return "anonymous";
  if (caller.kind === "key") return caller.principal;
  return caller.token === "current" ? "admin" : "admin-previous";
}

/** The key hash that per-key limits count by; undefined for the admin, to whom these limits do not apply. */
export function keyHashOf(caller: Caller): string | undefined {
  return caller.kind === "key" ? caller.keyHash : undefined;
}
