import { Code } from "@connectrpc/connect";
import type { CallOptions } from "@connectrpc/connect";
import { principalOf } from "../auth/caller.ts";
import type { Caller } from "../auth/caller.ts";
import type { OpenCheckout } from "../billing/checkout.ts";
import { readStripeEvent } from "../billing/stripe-event.ts";
import type { Offer, PaidSession } from "../billing/stripe-event.ts";
import { isSignedByStripe } from "../billing/stripe-signature.ts";
import type { Handler } from "../contract.ts";
import { HttpError, unavailable } from "../errors/http-error.ts";
import { sendJson } from "../http/json-response.ts";
import { requesterOf } from "../http/requester.ts";
import { balanceToJson, ledgerToJson } from "../mapping/billing.ts";
import { int64ToJson } from "../mapping/numbers.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import type { Audit } from "../telemetry/audit.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { traceFields } from "../telemetry/trace-context.ts";

interface BillingServices {
  readonly orchestrator: OrchestratorClient;
}

interface CheckoutServices {
  /** Undefined if Stripe is not configured. */
  readonly openCheckout: OpenCheckout | undefined;
}

export function getBalance({ orchestrator }: BillingServices): Handler<"getBalance"> {
  return async function getBalance(req, res) {
    const { callOptions, caller } = res.locals;
    const principal = accountOf(caller, req.query.principal);
    await sendJson(res, balanceToJson(await orchestrator.getBalance({ principal }, callOptions)));
  };
}

export function listLedger({ orchestrator }: BillingServices): Handler<"listLedger"> {
  return async function listLedger(req, res) {
    const { callOptions, caller } = res.locals;
    const { limit, principal } = req.query;
    const request = { principal: accountOf(caller, principal), ...(limit === undefined ? {} : { limit }) };
    await sendJson(res, ledgerToJson(await orchestrator.listLedger(request, callOptions)));
  };
}

/** Opens a page of Stripe on which the caller pays. `stripeWebhook` adds the credits. */
export function createCheckout({ openCheckout }: CheckoutServices): Handler<"createCheckout"> {
  return async function createCheckout(req, res) {
    const { credits, success_url, cancel_url } = req.body;
    const principal = accountOf(res.locals.caller, undefined);
    if (openCheckout === undefined) throw stripeNotConfigured();
    const purchase = {
      principal,
      credits,
      successUrl: success_url,
      cancelUrl: cancel_url,
      idempotencyKey: req.get("Idempotency-Key"),
    };
    const url = await openCheckout(purchase, res.locals.callOptions.signal);
    await sendJson(res, { url });
  };
}

interface WebhookServices {
  readonly orchestrator: OrchestratorClient;
  /** Undefined if Stripe is not configured. */
  readonly stripe: (Offer & { readonly webhookSecrets: readonly string[] }) | undefined;
  readonly logger: Logger;
  readonly audit: Pick<Audit, "creditsGranted">;
  readonly metrics: Pick<Metrics, "countStripeEvent">;
}

/**
 * Adds the credits of a session that Stripe reports as paid. The session is the idempotency key of the grant: the same
 * event, sent again, adds nothing. After a failure, Stripe sends the event again.
 */
export function stripeWebhook(services: WebhookServices): Handler<"stripeWebhook"> {
  const { orchestrator, stripe, logger, audit, metrics } = services;

  async function grant({ id, principal, credits }: PaidSession, options: CallOptions): Promise<bigint> {
    const request = {
      principal,
      amount: BigInt(credits),
      reason: `topup:stripe:${id}`,
      idempotencyKey: id,
    };
    const { balance } = await orchestrator.grantCredits(request, options).catch((error: unknown) => {
      metrics.countStripeEvent("failed");
      throw unavailable(error);
    });
    return balance;
  }

  return async function stripeWebhook(req, res) {
    if (stripe === undefined) throw stripeNotConfigured();
    const { bytes, callOptions, trace } = res.locals;
    const signature = req.get("Stripe-Signature") ?? "";
    if (!isSignedByStripe(signature, bytes, stripe.webhookSecrets, Date.now())) {
      metrics.countStripeEvent("unverified");
      throw unverified();
    }
    const event = readStripeEvent(bytes, stripe);
    if (event === undefined) throw new HttpError(Code.InvalidArgument, "/body must be an event of Stripe");
    if (event.kind !== "paid") {
      metrics.countStripeEvent(event.kind);
      if (event.kind === "rejected") {
        const { sessionId, reason } = event;
        const fields = { event: "payment.rejected", ...traceFields(trace), session_id: sessionId, reason };
        logger.error(fields, "payment.rejected");
      }
      await sendJson(res, { received: true, credited: false });
      return;
    }
    const balance = await grant(event.session, callOptions);
    metrics.countStripeEvent("credited");
    const { id, principal, credits } = event.session;
    audit.creditsGranted(requesterOf(res.locals), { principal, credits, sessionId: id });
    await sendJson(res, { received: true, credited: true, balance: int64ToJson(balance) });
  };
}

/** 400 that does not tell which part of the signature is wrong. */
function unverified(): HttpError {
  return new HttpError(
    Code.InvalidArgument,
    "Stripe-Signature is not a signature of this body that is at most 300 seconds old: sign the bytes as they are sent",
  );
}

/** 503 without the credentials of Stripe. */
function stripeNotConfigured(): HttpError {
  return new HttpError(Code.Unavailable, "this gateway sells no credits: Stripe is not configured");
}

/** The principal whose credits are meant. Throws 403 unless the caller may name it, or has credits of its own. */
function accountOf(caller: Caller, named: string | undefined): string {
  const own = principalOf(caller);
  const principal = named ?? own;
  if (principal === undefined)
    throw new HttpError(
      Code.PermissionDenied,
      "the administrator's token has no credits; use an API key, or name a principal to read its credits",
    );
  if (own !== undefined && principal !== own)
    throw new HttpError(
      Code.PermissionDenied,
      "an API key has access to the credits of its own principal only",
    );
  return principal;
}
