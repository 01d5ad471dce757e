import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { setBounded } from "./idempotent-responses.ts";
import type { SessionParams } from "./session-params.ts";
import type { Delivery, WebhookSender } from "./webhook-sender.ts";

/** One checkout of one buyer. */
export interface CheckoutSession {
  readonly id: string;
  readonly params: SessionParams;
  /** The version of the API that created it: its events have the same. */
  readonly apiVersion: string | null;
  /** In seconds since 1970, as the next. */
  readonly created: number;
  readonly expiresAt: number;
  /** What the buyer has done. */
  payment: "none" | "pending" | "paid";
  /** Its events, as they were sent. */
  readonly deliveries: Delivery[];
}

/** How a buyer pays: at once, or by a debit that the bank confirms later. */
export type PaymentMethod = "card" | "bank_debit";

/** All sessions of this server. */
export interface CheckoutSessions {
  create(params: SessionParams, apiVersion: string | null): CheckoutSession;
  find(id: string): CheckoutSession | undefined;
  status(session: CheckoutSession): "open" | "complete" | "expired";
  /** Pays an open session, and resolves once its event was sent for the first time. Does nothing to any other. */
  pay(session: CheckoutSession, method: PaymentMethod): Promise<void>;
  /** As the API and the events show it. */
  toJson(session: CheckoutSession): unknown;
  close(): void;
}

export interface CheckoutSessionsOptions {
  /** Of the page on which a session is paid. */
  readonly pageUrl: (id: string) => string;
  readonly webhook: WebhookSender;
  readonly now: () => number;
  /** How long the bank takes to confirm a debit. */
  readonly bankDebitMs?: number;
}

/** A session expires after a day: https://docs.stripe.com/api/checkout/sessions/create. */
const lifetimeSeconds = 24 * 60 * 60;

/** The number of sessions that are remembered. */
const maxSessions = 10_000;

/** Creates the store. */
export function createCheckoutSessions(options: CheckoutSessionsOptions): CheckoutSessions {
  const { pageUrl, webhook, now, bankDebitMs = 5000 } = options;
  const sessions = new Map<string, CheckoutSession>();
  const closing = new AbortController();
  const seconds = () => Math.floor(now() / 1000);

  function status({ payment, expiresAt }: CheckoutSession) {
    if (payment !== "none") return "complete";
    return seconds() < expiresAt ? "open" : "expired";
  }

  function toJson(session: CheckoutSession) {
    const { id, params, payment } = session;
    const currentStatus = status(session);
    return {
      id,
      object: "checkout.session",
      amount_subtotal: params.amount,
      amount_total: params.amount,
      cancel_url: params.cancelUrl,
      client_reference_id: params.clientReferenceId,
      created: session.created,
      currency: params.currency,
      customer: null,
      customer_details: null,
      customer_email: null,
      expires_at: session.expiresAt,
      livemode: false,
      metadata: params.metadata,
      mode: "payment",
      payment_intent: payment === "none" ? null : id.replace("cs_test", "pi"),
      payment_method_types: ["card", "us_bank_account"],
      payment_status: payment === "paid" ? "paid" : "unpaid",
      status: currentStatus,
      success_url: params.successUrl,
      ui_mode: "hosted_page",
      url: currentStatus === "open" ? pageUrl(id) : null,
    };
  }

  async function sendEvent(session: CheckoutSession, type: string) {
    const delivery = webhook.send(`checkout.session.${type}`, toJson(session), session.apiVersion);
    session.deliveries.push(delivery);
    await delivery.attempted;
  }

  async function confirmDebit(session: CheckoutSession) {
    await delay(bankDebitMs, undefined, { ref: false, signal: closing.signal });
    session.payment = "paid";
    await sendEvent(session, "async_payment_succeeded");
  }

  return {
    create(params, apiVersion) {
      const created = seconds();
      const id = `cs_test_${randomBytes(24).toString("hex")}`;
      const session: CheckoutSession = {
        id,
        params,
        apiVersion,
        created,
        expiresAt: created + lifetimeSeconds,
        payment: "none",
        deliveries: [],
      };
      setBounded(sessions, id, session, maxSessions);
      return session;
    },
    find: (id) => sessions.get(id),
    status,
    async pay(session, method) {
      if (status(session) !== "open") return;
      session.payment = method === "card" ? "paid" : "pending";
      const sent = sendEvent(session, "completed");
      if (method === "bank_debit") void confirmDebit(session).catch(() => undefined);
      await sent;
    },
    toJson,
    close: () => closing.abort(),
  };
}
