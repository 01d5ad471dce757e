import assert from "node:assert/strict";
import { readStripeEvent } from "../../src/billing/stripe-event.ts";
import { paidSession, stripeEvent } from "../support/stripe.ts";

const offer = { isLive: false, currency: "usd" };
const read = (text: string, changes: Partial<typeof offer> = {}) =>
  readStripeEvent(Buffer.from(text), { ...offer, ...changes });
const paid = { kind: "paid", session: { id: "cs_test_a1", principal: "alice", credits: 500 } };

describe("readStripeEvent", () => {
  it("returns the credits of a session that was paid at once", () => {
    assert.deepEqual(read(stripeEvent()), paid);
  });

  it("returns the credits of a session that was paid later", () => {
    assert.deepEqual(
      read(stripeEvent(paidSession(), { type: "checkout.session.async_payment_succeeded" })),
      paid,
    );
  });

  it("compares the currency in any case", () => {
    assert.equal(read(stripeEvent(paidSession({ currency: "USD" })))?.kind, "paid");
  });

  it("reads a live event in live mode", () => {
    const event = stripeEvent(paidSession({ livemode: true }), { livemode: true });
    assert.equal(read(event, { isLive: true })?.kind, "paid");
  });

  for (const [what, event] of [
    ["of another type", stripeEvent(paidSession(), { type: "checkout.session.expired" })],
    [
      "of a payment that failed",
      stripeEvent(paidSession(), { type: "checkout.session.async_payment_failed" }),
    ],
    ["of a session that is not paid yet", stripeEvent(paidSession({ payment_status: "unpaid" }))],
    ["of a session without a payment", stripeEvent(paidSession({ payment_status: "no_payment_required" }))],
    ["of a session of another program", stripeEvent(paidSession({ metadata: { order: "7" } }))],
    ["of a session without metadata", stripeEvent(paidSession({ metadata: null }))],
    ["without a session", stripeEvent({ object: "invoice" })],
  ] as const)
    it(`ignores an event ${what}`, () => {
      assert.equal(read(event)?.kind, "ignored");
    });

  for (const [what, session] of [
    ["for a lower amount", { amount_total: 499 }],
    ["for a higher amount", { amount_total: 501 }],
    ["for no amount", { amount_total: null }],
    ["for an amount that is text", { amount_total: "500" }],
    ["in another currency", { currency: "eur" }],
    ["for another principal", { client_reference_id: "mallory" }],
    ["for no principal", { client_reference_id: null }],
    ["for an empty principal", { client_reference_id: "", metadata: { principal: "", credits: "500" } }],
    ["without credits", { metadata: { principal: "alice" } }],
    ["for credits that are no number", { metadata: { principal: "alice", credits: "5e2" } }],
    ["for no credits", { amount_total: 0, metadata: { principal: "alice", credits: "0" } }],
    ["for negative credits", { amount_total: -500, metadata: { principal: "alice", credits: "-500" } }],
    [
      "for more credits than the contract sells",
      { amount_total: 1e9, metadata: { principal: "alice", credits: "1000000000" } },
    ],
    ["of another mode than its event", { livemode: true }],
  ] as const)
    it(`rejects a payment ${what}`, () => {
      const event = read(stripeEvent(paidSession(session)));
      assert.equal(event?.kind, "rejected");
      assert.equal(event.sessionId, "cs_test_a1");
    });

  for (const isLive of [true, false])
    it(`rejects a payment of ${isLive ? "test mode in live" : "live mode in test"} mode`, () => {
      const event = stripeEvent(paidSession({ livemode: !isLive }), { livemode: !isLive });
      assert.equal(read(event, { isLive })?.kind, "rejected");
    });

  for (const text of ["", "null", "[]", "{}", "{", '{"type":1}', '{"type":"x","livemode":false}', "\u0000"])
    it(`returns undefined for ${JSON.stringify(text)}`, () => {
      assert.equal(read(text), undefined);
    });
});
