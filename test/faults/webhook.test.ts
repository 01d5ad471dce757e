import assert from "node:assert/strict";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { setWebhookUrl } from "../../src/sandbox/stripe/webhook-endpoint.ts";
import { pay, startWebhookReceiver } from "../sandbox/stripe/support.ts";
import { suite } from "../support/gateway.ts";
import { sandboxSettings } from "../support/sandbox.ts";
import { openCheckout, readCredits, startSellingGateway } from "../support/selling-gateway.ts";

describe("POST /v1/billing/webhook", () => {
  const sandbox = suite(() => startSandbox(sandboxSettings));
  const first = suite(() => startSellingGateway(sandbox()));
  const second = suite(() => startSellingGateway(sandbox()));

  it("credits a payment once, whose event arrives 50 times at once at two gateways", async () => {
    await using receiver = await startWebhookReceiver();
    await setWebhookUrl(sandbox().stripeUrl, receiver.url);
    const page = await openCheckout(first(), "alice-key", "http://localhost");
    const before = await readCredits(first(), "alice-key");
    await pay(page);
    const [{ body, signature }] = receiver.received as [(typeof receiver.received)[number]];
    const headers = { "Content-Type": "application/json", "Stripe-Signature": signature };
    const send = async (index: number) => {
      const gateway = index % 2 === 0 ? first() : second();
      const init = { method: "POST", body, headers, token: null };
      const response = await gateway.fetch("/v1/billing/webhook", init);
      return { status: response.status, body: await response.json() };
    };
    const responses = await Promise.all(Array.from({ length: 50 }, (_, index) => send(index)));
    const balance = before.balance + 500;
    for (const response of responses)
      assert.deepEqual(response, { status: 200, body: { received: true, credited: true, balance } });
    assert.deepEqual(await readCredits(second(), "alice-key"), {
      balance,
      reasons: [`topup:stripe:${page.slice(page.lastIndexOf("/") + 1)}`, ...before.reasons],
    });
  });
});
