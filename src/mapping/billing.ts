import type {
  GetBalanceResponse,
  ListLedgerResponse,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { int64ToJson } from "./numbers.ts";
import { epoch, timestampToJson } from "./timestamp.ts";

export function balanceToJson({ balance }: GetBalanceResponse): Schema["Balance"] {
  return { balance: int64ToJson(balance) };
}

export function ledgerToJson({ entries }: ListLedgerResponse): Schema["Ledger"] {
  return {
    entries: entries.map(({ delta, reason, balanceAfter, createdAt }) => {
      const time = createdAt === undefined ? epoch : timestampToJson(createdAt);
      return {
        delta: int64ToJson(delta),
        reason,
        balance_after: int64ToJson(balanceAfter),
        ...(time === undefined ? {} : { created_at: time }),
      };
    }),
  };
}
