import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  LedgerEntrySchema,
  type LedgerEntry,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** Credits by principal; 1 credit is 1 cent. A principal without entries has 0. */
export interface Billing {
  balance(principal: string): bigint;
  /** The latest entries, newest first. */
  entries(principal: string, limit: number): readonly LedgerEntry[];
  /**
   * Debits the price of steps of a workflow; workflows without a principal are free. Throws RESOURCE_EXHAUSTED if the
   * balance is lower, and then debits nothing.
   */
  debit(principal: string | undefined, workflowId: string, steps: number): void;
  /** Gives the price of steps back. */
  refund(principal: string | undefined, workflowId: string, steps: number): void;
  /** Adds credits, unless the principal's idempotency key was used before. An empty key counts as none. */
  grant(principal: string, amount: bigint, reason: string, idempotencyKey: string): void;
}

/** Who has credits, and what steps cost. */
export interface BillingOptions {
  /** What each principal starts with. */
  readonly accounts: ReadonlyMap<string, bigint>;
  readonly pricePerStep: bigint;
  readonly now: () => number;
}

/** An encoded google.rpc.ErrorInfo, whose field 1 is the reason and 2 the domain (google/rpc/error_details.proto). */
function errorInfo(reason: string, domain: string) {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(reason);
  writer.tag(2, WireType.LengthDelimited).string(domain);
  return { type: "google.rpc.ErrorInfo", value: writer.finish() };
}

function insufficientCredits(price: bigint, balance: bigint): ConnectError {
  const message = `not enough credits: the price is ${price}, and the balance is ${balance}`;
  const error = new ConnectError(message, Code.ResourceExhausted);
  error.details.push(errorInfo("INSUFFICIENT_CREDITS", "foldforge"));
  return error;
}

/** Creates the ledgers, with the opening credits of each principal. */
export function createBilling({ accounts, pricePerStep, now }: BillingOptions): Billing {
  const ledgers = new Map<string, LedgerEntry[]>();
  const usedKeys = new Set<string>();

  const balance = (principal: string) => ledgers.get(principal)?.at(-1)?.balanceAfter ?? 0n;

  function book(principal: string, delta: bigint, reason: string) {
    if (delta === 0n) return;
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

  for (const [principal, credits] of accounts) book(principal, credits, "grant:admin");

  return {
    balance,
    entries: (principal, limit) => ledgers.get(principal)?.slice(-limit).reverse() ?? [],
    debit(principal, workflowId, steps) {
      if (principal === undefined) return;
      const price = BigInt(steps) * pricePerStep;
      if (price > balance(principal)) throw insufficientCredits(price, balance(principal));
      book(principal, -price, `debit:wf:${workflowId}`);
    },
    refund(principal, workflowId, steps) {
      if (principal !== undefined) book(principal, BigInt(steps) * pricePerStep, `refund:wf:${workflowId}`);
    },
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
