import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import Stripe from "stripe";
import { createWebhookSender } from "../../../src/sandbox/stripe/webhook-sender.ts";
import { startWebhookReceiver, webhookSecret, type WebhookReceiver } from "./support.ts";

const run = promisify(execFile);
const stripe = new Stripe("sk_test_tests");
const type = "checkout.session.completed";

/** A sender with a clock that moves by a second with each attempt. */
function senderTo({ url }: Pick<WebhookReceiver, "url">, firstWaitMs = 0) {
  let ms = Date.now();
  const now = () => (ms += 1000);
  return createWebhookSender({ url, secret: webhookSecret, now, firstWaitMs });
}

describe("createWebhookSender", () => {
  it("sends an event that the official client verifies", async () => {
    await using receiver = await startWebhookReceiver();
    const delivery = senderTo(receiver).send(type, { id: "cs_test_1" }, "2026-10-28.endive");
    await delivery.attempted;
    const [{ body, signature }] = receiver.received as [WebhookReceiver["received"][number]];
    const event = stripe.webhooks.constructEvent(body, signature, webhookSecret);
    assert.match(event.id, /^evt_\w+$/);
    assert.deepEqual([event.object, event.type, event.livemode], ["event", type, false]);
    assert.equal(event.api_version, "2026-10-28.endive");
    assert.deepEqual(event.data.object, { id: "cs_test_1" });
    assert.throws(() => stripe.webhooks.constructEvent(body, signature, "whsec_other"));
    assert.deepEqual([delivery.state, delivery.attempts, delivery.result], ["delivered", 1, "status 200"]);
  });

  it("repeats the same body with another time until it is accepted", async () => {
    await using receiver = await startWebhookReceiver([500, 302, 0, 400]);
    const sender = senderTo(receiver);
    const delivery = sender.send(type, {}, null);
    await delivery.attempted;
    assert.deepEqual([delivery.state, delivery.attempts, delivery.result], ["sending", 1, "status 500"]);
    await delivery.ended;
    assert.deepEqual([delivery.state, delivery.attempts], ["delivered", 5]);
    assert.equal(receiver.received.length, 5);
    assert.equal(new Set(receiver.received.map(({ body }) => body)).size, 1);
    assert.equal(new Set(receiver.received.map(({ signature }) => signature)).size, 5);
    for (const { body, signature } of receiver.received)
      stripe.webhooks.constructEvent(body, signature, webhookSecret);
  });

  it("waits twice as long before each further attempt", async () => {
    await using receiver = await startWebhookReceiver([500, 500, 500]);
    const start = performance.now();
    await senderTo(receiver, 30).send(type, {}, null).ended;
    // A timer may fire a millisecond early.
    assert.ok(performance.now() - start > 30 + 60 + 120 - 3);
  });

  it("gives up after 12 attempts", async () => {
    await using receiver = await startWebhookReceiver(Array<number>(20).fill(503));
    const delivery = senderTo(receiver).send(type, {}, null);
    await delivery.ended;
    assert.deepEqual([delivery.state, delivery.attempts, delivery.result], ["given up", 12, "status 503"]);
    assert.equal(receiver.received.length, 12);
  });

  it("sends each attempt where its URL then is, and says why one had no response", async () => {
    const closed = await startWebhookReceiver();
    await closed.close();
    await using receiver = await startWebhookReceiver();
    const sender = senderTo(closed);
    const delivery = sender.send(type, {}, null);
    await delivery.attempted;
    assert.equal(delivery.result, "ECONNREFUSED");
    sender.url = receiver.url;
    await delivery.ended;
    assert.deepEqual([delivery.state, receiver.received.length], ["delivered", 1]);
  });

  it("sends nothing more once it is closed", async () => {
    await using receiver = await startWebhookReceiver(Array<number>(20).fill(500));
    const sender = senderTo(receiver);
    const delivery = sender.send(type, {}, null);
    await delivery.attempted;
    sender.close();
    await delivery.ended;
    assert.deepEqual([delivery.state, receiver.received.length], ["sending", delivery.attempts]);
  });

  it("does not keep a process alive that has an event to repeat", async () => {
    const file = new URL("../../../src/sandbox/stripe/webhook-sender.ts", import.meta.url);
    const program = `
      const { createWebhookSender } = await import("${file.href}");
      const options = { url: "http://127.0.0.1:1/", secret: "s", now: Date.now, firstWaitMs: 3_600_000 };
      const { attempted } = createWebhookSender(options).send("type", {}, null);
      await attempted;`;
    // It is killed if it lives longer, which rejects.
    await run(process.execPath, ["--input-type=module", "--eval", program], { timeout: 20_000 });
  });
});
