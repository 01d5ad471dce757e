import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import Stripe from "stripe";
import { startStripeServer, type StripeTimes } from "../../../src/sandbox/stripe/stripe-server.ts";

export const webhookSecret = "whsec_tests";

/** The official client, for a server at `url`. */
export function stripeClient(url: string, apiKey = "sk_test_tests"): Stripe {
  const { hostname: host, port } = new URL(url);
  return new Stripe(apiKey, { host, port, protocol: "http", maxNetworkRetries: 0, telemetry: false });
}

/** What a client of Checkout asks for. */
export const sessionParams = {
  mode: "payment",
  line_items: [
    {
      price_data: { currency: "usd", unit_amount: 1, product_data: { name: "Credits" } },
      quantity: 500,
    },
  ],
  client_reference_id: "alice",
  metadata: { principal: "alice", credits: "500" },
  success_url: "http://127.0.0.1:9/paid?session={CHECKOUT_SESSION_ID}",
  cancel_url: "http://127.0.0.1:9/cancelled",
} satisfies Stripe.Checkout.SessionCreateParams;

/** A request that a webhook has received. */
export interface ReceivedWebhook {
  readonly body: string;
  readonly signature: string;
}

/** A webhook that responds with `statuses` one after another, and with 200 then. */
export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly ReceivedWebhook[];
  /** Resolves once so many requests were received. */
  count(requests: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a webhook. Status 0 destroys the connection. */
export async function startWebhookReceiver(statuses: readonly number[] = []): Promise<WebhookReceiver> {
  const received: ReceivedWebhook[] = [];
  const events = new EventEmitter();
  const server = createServer((req, res) => {
    void text(req).then((body) => {
      const status = statuses[received.length] ?? 200;
      received.push({ body, signature: String(req.headers["stripe-signature"]) });
      if (status === 0) req.socket.destroy();
      else res.writeHead(status, { Location: "/" }).end();
      events.emit("received");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  async function close() {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhook`,
    received,
    async count(requests) {
      while (received.length < requests) await once(events, "received");
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A server on a free port with its client. */
export async function startTestStripe(webhookUrl: string, now?: () => number, times: StripeTimes = {}) {
  const settings = { addr: { host: "127.0.0.1", port: 0 }, webhookUrl, webhookSecret };
  const server = await startStripeServer(settings, now, { firstWaitMs: 1, bankDebitMs: 1, ...times });
  return {
    url: server.url,
    client: stripeClient(server.url),
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Presses a button of the page, and follows no redirect. */
export function pay(pageUrl: string, method = "card"): Promise<Response> {
  return fetch(pageUrl, { method: "POST", body: new URLSearchParams({ method }), redirect: "manual" });
}
