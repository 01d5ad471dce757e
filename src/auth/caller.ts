/** Who makes a request. */
export type Caller = Admin | KeyHolder;

/** The holder of the static token: every workflow, no quota. */
export interface Admin {
  readonly kind: "admin";
}

/** The holder of an API key: the principal's workflows, and the key's quota. */
export interface KeyHolder {
  readonly kind: "key";
  readonly principal: string;
  /** SHA-256 of the key, lower-case hex. */
  readonly keyHash: string;
}

/** The principal that scopes a caller's calls; undefined for the admin, who is not scoped. */
export function principalOf(caller: Caller): string | undefined {
  return caller.kind === "key" ? caller.principal : undefined;
}

/** The hash of the key whose share bounds what a caller holds; undefined for the admin, who has no share. */
export function keyHashOf(caller: Caller): string | undefined {
  return caller.kind === "key" ? caller.keyHash : undefined;
}
