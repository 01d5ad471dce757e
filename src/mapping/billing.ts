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

/** The reason of a change that a workflow has caused, and the workflow's id. */
const workflowReason = /^(?:debit|refund):wf:((?!\.)[A-Za-z0-9._~:-]{1,128})$/;

export function ledgerToJson({ entries }: ListLedgerResponse): Schema["Ledger"] {
  return {
    entries: entries.map(({ delta, reason, balanceAfter, createdAt }) => {
      const time = createdAt === undefined ? epoch : timestampToJson(createdAt);
      const [, workflowId] = workflowReason.exec(reason) ?? [];
      return {
        delta: int64ToJson(delta),
        reason,
        ...(workflowId === undefined ? {} : { workflow_id: workflowId }),
        balance_after: int64ToJson(balanceAfter),
        ...(time === undefined ? {} : { created_at: time }),
      };
    }),
  };
}
