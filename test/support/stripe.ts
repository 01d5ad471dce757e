import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { Stripe } from "stripe";
import type { TestSettings } from "./gateway.ts";

export const stripeKey = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";
export const webhookSecret = "whsec_bGl2ZSBvciB0ZXN0LCB0aGlzIGlzIGEgc2VjcmV0";

/** A request that reached Stripe. */
interface StripeRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly form: Readonly<Record<string, string>>;
}

/** An HTTP server in place of Stripe's API, whose responses the test writes. */
export interface FakeStripe extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly StripeRequest[];
  respond: (res: ServerResponse) => void;
  close(): Promise<void>;
}

/** Starts it. By default it creates sessions. */
export async function startStripe(): Promise<FakeStripe> {
  const requests: StripeRequest[] = [];
  const server = createServer((req, res) => {
    void text(req).then((body) => {
      const { method, url, headers } = req;
      requests.push({ method, url, headers, form: Object.fromEntries(new URLSearchParams(body)) });
      stripe.respond(res);
    });
  });
  const stripe: FakeStripe = {
    url: "",
    requests,
    respond: (res) =>
      sendStripe(res, 200, { id: "cs_test_1", url: "https://checkout.stripe.com/c/pay/cs_test_1" }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
    [Symbol.asyncDispose]: () => stripe.close(),
  };
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  return Object.assign(stripe, { url: `http://127.0.0.1:${port}` });
}

/** Sends what Stripe would. */
export function sendStripe(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

/** A session that is paid, as the gateway creates it. */
export function paidSession(changes: object = {}) {
  return {
    id: "cs_test_a1",
    object: "checkout.session",
    livemode: false,
    mode: "payment",
    payment_status: "paid",
    amount_total: 500,
    currency: "usd",
    client_reference_id: "alice",
    metadata: { principal: "alice", credits: "500" },
    ...changes,
  };
}

/** An event about a session. */
export function stripeEvent(session: object = paidSession(), changes: object = {}): string {
  return JSON.stringify({
    id: "evt_1",
    object: "event",
    type: "checkout.session.completed",
    livemode: false,
    data: { object: session },
    ...changes,
  });
}

const signer = new Stripe(stripeKey);

/** A `Stripe-Signature` by Stripe's own library. `timestamp` is in seconds. */
export function signatureOf(
  payload: string,
  secret = webhookSecret,
  timestamp = Math.floor(Date.now() / 1000),
): string {
  return signer.webhooks.generateTestHeaderString({ payload, secret, timestamp });
}

export const previousWebhookSecret = "whsec_cHJldmlvdXM=";

/** Settings of a gateway that sells credits by the Stripe at `url`. */
export function stripeSettings(url: string): TestSettings {
  return { STRIPE_ENDPOINT: url, STRIPE_SECRET_KEY: stripeKey, STRIPE_WEBHOOK_SECRET: webhookSecret };
}
