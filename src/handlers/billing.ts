import { Code } from "@connectrpc/connect";
import { principalOf } from "../auth/caller.ts";
import type { Caller } from "../auth/caller.ts";
import type { Handler } from "../contract.ts";
import { HttpError } from "../errors/http-error.ts";
import { sendJson } from "../http/json-response.ts";
import { balanceToJson, ledgerToJson } from "../mapping/billing.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";

interface BillingServices {
  readonly orchestrator: OrchestratorClient;
}

export function getBalance({ orchestrator }: BillingServices): Handler<"getBalance"> {
  return async function getBalance(_req, res) {
    const { callOptions, caller } = res.locals;
    const balance = await orchestrator.getBalance({ principal: payerOf(caller) }, callOptions);
    await sendJson(res, balanceToJson(balance));
  };
}

export function listLedger({ orchestrator }: BillingServices): Handler<"listLedger"> {
  return async function listLedger(req, res) {
    const { callOptions, caller } = res.locals;
    const { limit } = req.query;
    const request = { principal: payerOf(caller), ...(limit === undefined ? {} : { limit }) };
    await sendJson(res, ledgerToJson(await orchestrator.listLedger(request, callOptions)));
  };
}

/** The principal whose credits a caller spends; throws 403 for the administrator's token, which has none. */
function payerOf(caller: Caller): string {
  const principal = principalOf(caller);
  if (principal !== undefined) return principal;
  throw new HttpError(Code.PermissionDenied, "the administrator's token has no credits; use an API key");
}
