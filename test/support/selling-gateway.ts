import type { Sandbox } from "../../src/sandbox/start-sandbox.ts";
import { setWebhookUrl } from "../../src/sandbox/stripe/webhook-endpoint.ts";
import { startTestGateway } from "./gateway.ts";
import type { TestGateway } from "./gateway.ts";
import { jsonPost } from "./samples.ts";
import { sandboxSettings, settingsFor } from "./sandbox.ts";
import { stripeSettings } from "./stripe.ts";

/** A gateway that sells credits by the Stripe of a sandbox with the secret of `sandboxSettings`. */
export async function startSellingGateway(sandbox: Sandbox): Promise<TestGateway> {
  const gateway = await startTestGateway({
    ...settingsFor(sandbox),
    ...stripeSettings(sandbox.stripeUrl),
    STRIPE_WEBHOOK_SECRET: sandboxSettings.stripe.webhookSecret,
  });
  await setWebhookUrl(sandbox.stripeUrl, `${gateway.url}/v1/billing/webhook`);
  return gateway;
}

/** Opens a checkout of 500 credits; resolves to the URL of its page. */
export async function openCheckout(gateway: TestGateway, token: string, returnUrl: string): Promise<string> {
  const purchase = {
    credits: 500,
    success_url: `${returnUrl}/paid?session={CHECKOUT_SESSION_ID}`,
    cancel_url: `${returnUrl}/cancelled`,
  };
  const response = await gateway.fetch("/v1/billing/checkout", { ...jsonPost(purchase), token });
  const { url } = (await response.json()) as { url: string };
  return url;
}

/** The balance of an API key, and the reasons of its latest changes, newest first. */
export async function readCredits(gateway: TestGateway, token: string) {
  const balance = await gateway.fetch("/v1/billing/balance", { token });
  const ledger = await gateway.fetch("/v1/billing/ledger?limit=200", { token });
  const { entries } = (await ledger.json()) as { entries: { reason: string }[] };
  return {
    balance: ((await balance.json()) as { balance: number }).balance,
    reasons: entries.map(({ reason }) => reason),
  };
}
