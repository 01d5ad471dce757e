import { createServer } from "node:http";
import express from "express";
import { listen, localUrl } from "../listen.ts";
import type { StripeSettings } from "../settings.ts";
import { createApi } from "./api.ts";
import { createCheckoutSessions, type CheckoutSessionsOptions } from "./checkout-sessions.ts";
import { createPayRoutes } from "./pay-routes.ts";
import { createWebhookSender, type WebhookSenderOptions } from "./webhook-sender.ts";

/** Stands in for Stripe: the API that a client of Checkout needs, the page on which one pays, and the webhook. */
export interface StripeServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Times that a test shortens. */
export type StripeTimes = Pick<CheckoutSessionsOptions, "bankDebitMs"> &
  Pick<WebhookSenderOptions, "firstWaitMs">;

/** Starts the server, which keeps everything in memory. It takes any test key: whoever can connect can pay. */
export async function startStripeServer(
  settings: StripeSettings,
  now: () => number = Date.now,
  times: StripeTimes = {},
): Promise<StripeServer> {
  const { addr, webhookUrl, webhookSecret } = settings;
  const server = createServer();
  const url = await listen(server, addr, "STRIPE_ADDR");
  const webhook = createWebhookSender({ url: webhookUrl, secret: webhookSecret, now, ...times });
  const pageUrl = (id: string) => `${localUrl(url)}/pay/${id}`;
  const sessions = createCheckoutSessions({ pageUrl, webhook, now, ...times });
  const app = express()
    .disable("x-powered-by")
    .disable("etag")
    .use("/v1", createApi(sessions, webhook))
    .use("/pay", createPayRoutes(sessions));
  // Before any request: a connection is accepted in a later turn of the event loop.
  server.on("request", app);
  return {
    url,
    async close() {
      sessions.close();
      webhook.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
