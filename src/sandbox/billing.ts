import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  LedgerEntrySchema,
  type LedgerEntry,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** Credits by principal; 1 credit is 1 cent. A principal without entries has 0. */
export interface Billing {
  balance(principal: string): bigint;
  /** The latest entries, newest first. */
  entries(principal: string, limit: number): readonly LedgerEntry[];
  /** Changes a balance, which may become negative. */
  book(principal: string, delta: bigint, reason: string): void;
  /** Adds credits, unless the principal's idempotency key was used before. An empty key counts as none. */
  grant(principal: string, amount: bigint, reason: string, idempotencyKey: string): void;
}

/** What each principal with an API key starts with. */
export const openingCredits = 100_000n;

/** Creates the ledgers, with opening credits for each of `principals`. */
export function createBilling(principals: Iterable<string>, now: () => number): Billing {
  const ledgers = new Map<string, LedgerEntry[]>();
  const usedKeys = new Set<string>();

  const balance = (principal: string) => ledgers.get(principal)?.at(-1)?.balanceAfter ?? 0n;

  function book(principal: string, delta: bigint, reason: string) {
    const entry = create(LedgerEntrySchema, {
      delta,
      reason,
      balanceAfter: balance(principal) + delta,
      createdAt: timestampFromMs(now()),
    });
    const ledger = ledgers.get(principal);
    if (ledger === undefined) ledgers.set(principal, [entry]);
    else ledger.push(entry);
  }

  for (const principal of new Set(principals)) book(principal, openingCredits, "grant:admin");

  return {
    balance,
    book,
    entries: (principal, limit) => ledgers.get(principal)?.slice(-limit).reverse() ?? [],
    grant(principal, amount, reason, idempotencyKey) {
      if (idempotencyKey !== "") {
        const key = JSON.stringify([principal, idempotencyKey]);
        if (usedKeys.has(key)) return;
        usedKeys.add(key);
      }
      book(principal, amount, reason);
    },
  };
}
