import assert from "node:assert/strict";
import Stripe from "stripe";
import { suite } from "../../support/gateway.ts";
import { pay, sessionParams, startTestStripe, startWebhookReceiver, webhookSecret } from "./support.ts";

const dayMs = 24 * 60 * 60 * 1000;

describe("createPayRoutes", () => {
  const clock = { ms: Date.now() };
  const receiver = suite(() => startWebhookReceiver());
  const stripe = suite(() => startTestStripe(receiver().url, () => clock.ms));

  async function open(params: Partial<typeof sessionParams> = {}) {
    const { id, url } = await stripe().client.checkout.sessions.create({ ...sessionParams, ...params });
    return { id, url: url!, retrieve: () => stripe().client.checkout.sessions.retrieve(id) };
  }

  /** The events about a session. */
  function eventsOf(id: string): Stripe.Event[] {
    return receiver()
      .received.filter(({ body }) => body.includes(id))
      .map(({ body, signature }) => Stripe.webhooks.constructEvent(body, signature, webhookSecret));
  }

  describe("GET /pay/{id}", () => {
    it("shows what is paid for, as text, and that no money moves", async () => {
      const { url } = await open({ client_reference_id: `<b>"a&b"` });
      const response = await fetch(url);
      assert.match(response.headers.get("content-type")!, /^text\/html/);
      const page = await response.text();
      for (const part of ["sandbox", "no money moves", "Pay $5.00", "500", "&lt;b&gt;&quot;a&amp;b&quot;"])
        assert.ok(page.includes(part), part);
      assert.ok(page.includes(`href="${sessionParams.cancel_url}"`));
      assert.ok(!page.includes("<b>"));
      assert.match(response.headers.get("content-security-policy")!, /^default-src 'none'/);
    });

    for (const [currency, amount] of [
      ["jpy", "¥500"],
      ["eur", "€5.00"],
    ] as const)
      it(`shows an amount of ${currency} in its units`, async () => {
        const [line] = sessionParams.line_items;
        const price_data = { ...line!.price_data, currency };
        const { url } = await open({ line_items: [{ ...line!, price_data }] });
        assert.ok((await (await fetch(url)).text()).includes(`Pay ${amount}`));
      });

    it("returns 404 for a session that is not known, and 400 for a path that cannot be decoded", async () => {
      assert.equal((await fetch(`${stripe().url}/pay/cs_test_none`)).status, 404);
      assert.equal((await pay(`${stripe().url}/pay/cs_test_none`)).status, 404);
      assert.equal((await fetch(`${stripe().url}/pay/%ff`)).status, 400);
    });
  });

  describe("POST /pay/{id}", () => {
    it("pays, sends the event, and then redirects to the success URL", async () => {
      const { id, url, retrieve } = await open();
      const response = await pay(url);
      // The event has been sent before the response.
      const [event, ...more] = eventsOf(id);
      assert.deepEqual(more, []);
      assert.equal(event?.type, "checkout.session.completed");
      const session = event.data.object;
      assert.deepEqual(
        [session.id, session.status, session.payment_status, session.amount_total, session.url],
        [id, "complete", "paid", 500, null],
      );
      assert.deepEqual(session.metadata, sessionParams.metadata);
      assert.equal(event.api_version, Stripe.API_VERSION);
      assert.equal(response.status, 303);
      assert.equal(response.headers.get("location"), `http://127.0.0.1:9/paid?session=${id}`);
      assert.deepEqual((await retrieve()).payment_status, "paid");
      assert.match(await (await fetch(url)).text(), /checkout\.session\.completed: status 200 at attempt 1</);
    });

    it("pays once, however often the button is pressed", async () => {
      const { id, url } = await open();
      const responses = await Promise.all([pay(url), pay(url), pay(url)]);
      responses.push(await pay(url, "bank_debit"));
      for (const { status } of responses) assert.equal(status, 303);
      assert.equal(eventsOf(id).length, 1);
    });

    it("completes a bank debit unpaid, and sends a second event once it is paid", async () => {
      const { id, url } = await open();
      const before = receiver().received.length;
      assert.equal((await pay(url, "bank_debit")).status, 303);
      await receiver().count(before + 2);
      const events = eventsOf(id).map(({ type, data }) => [
        type,
        (data.object as Stripe.Checkout.Session).payment_status,
      ]);
      assert.deepEqual(events, [
        ["checkout.session.completed", "unpaid"],
        ["checkout.session.async_payment_succeeded", "paid"],
      ]);
    });

    it("does not pay a session that has expired", async () => {
      const { id, url } = await open();
      clock.ms += dayMs;
      const response = await pay(url);
      assert.equal(response.headers.get("location"), new URL(url).pathname);
      assert.deepEqual(eventsOf(id), []);
      assert.match(await (await fetch(url)).text(), /<h1>Expired<\/h1>/);
      clock.ms -= dayMs;
    });
  });
});
