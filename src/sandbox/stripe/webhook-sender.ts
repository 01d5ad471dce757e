import { createHmac, randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

interface DeliveryState {
  /** Such as `checkout.session.completed`. */
  readonly type: string;
  state: "sending" | "delivered" | "given up";
  attempts: number;
  /** Of the latest attempt: a status, or why there is none. */
  result: string;
}

/** What has become of an event. */
export interface Delivery extends Readonly<DeliveryState> {
  /** Resolves after the first attempt. */
  readonly attempted: Promise<void>;
  /** Resolves after the last one. */
  readonly ended: Promise<void>;
}

/** Sends events to one endpoint until it responds with 2xx. */
export interface WebhookSender {
  /** Where each further attempt is sent. */
  url: string;
  /** Sends an event about `object`, from now on. */
  send(type: string, object: unknown, apiVersion: string | null): Delivery;
  /** Sends nothing more. */
  close(): void;
}

export interface WebhookSenderOptions {
  readonly url: string;
  /** The key of its signatures: https://docs.stripe.com/webhooks/signature. */
  readonly secret: string;
  readonly now: () => number;
  /** The time before the second attempt, in milliseconds. It doubles with each further one. */
  readonly firstWaitMs?: number;
}

/** Within half an hour: a sandbox does not last the three days for which Stripe repeats an event. */
const maxAttempts = 12;

/** The longest time of an attempt. Stripe keeps a buyer waiting for the first one no longer either. */
const timeoutMs = 10_000;

/** Creates the sender. An event keeps its body; each attempt has a time and a signature of its own. */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { secret, now, firstWaitMs = 1000 } = options;
  const closing = new AbortController();

  function signatureOf(body: string): string {
    const time = Math.floor(now() / 1000);
    return `t=${time},v1=${createHmac("sha256", secret).update(`${time}.${body}`).digest("hex")}`;
  }

  async function post(body: string): Promise<Response> {
    const response = await fetch(sender.url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signatureOf(body),
        "User-Agent": "FoldForge-Sandbox/1.0",
      },
      body,
      // A redirect is a failure: https://docs.stripe.com/webhooks.
      redirect: "manual",
      signal: AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]),
    });
    await response.body?.cancel();
    return response;
  }

  async function attempt(delivery: DeliveryState, body: string): Promise<void> {
    let isOk = false;
    try {
      const response = await post(body);
      isOk = response.ok;
      delivery.result = `status ${response.status}`;
    } catch (error) {
      delivery.result = reasonOf(error);
    }
    delivery.attempts += 1;
    if (isOk) delivery.state = "delivered";
    else if (delivery.attempts === maxAttempts) delivery.state = "given up";
  }

  async function attemptUntilDelivered(delivery: DeliveryState, body: string): Promise<void> {
    for (let wait = firstWaitMs; delivery.state === "sending"; wait *= 2) {
      // A sandbox that has nothing else to do may end.
      await delay(wait, undefined, { ref: false, signal: closing.signal });
      await attempt(delivery, body);
    }
  }

  const sender: WebhookSender = {
    url: options.url,
    send(type, object, apiVersion) {
      const body = JSON.stringify({
        id: `evt_${randomBytes(12).toString("hex")}`,
        object: "event",
        api_version: apiVersion,
        created: Math.floor(now() / 1000),
        livemode: false,
        pending_webhooks: 1,
        request: { id: null, idempotency_key: null },
        type,
        data: { object },
      });
      const delivery: DeliveryState = { type, state: "sending", attempts: 0, result: "" };
      const attempted = attempt(delivery, body);
      // What rejects is the wait that closing ends.
      const ended = attempted.then(() => attemptUntilDelivered(delivery, body)).catch(() => undefined);
      return Object.assign(delivery, { attempted, ended });
    },
    close: () => closing.abort(),
  };
  return sender;
}

/** Why there is no response, such as ECONNREFUSED. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause: unknown = error.cause;
  if (cause instanceof Error) return "code" in cause ? String(cause.code) : cause.message;
  return error.message;
}
