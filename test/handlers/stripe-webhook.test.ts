import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { GrantCreditsRequestSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { GrantCreditsRequest } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../../src/contract.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { increasesDuring } from "../support/metrics.ts";
import { startStack } from "../support/stack.ts";
import {
  paidSession,
  previousWebhookSecret,
  signatureOf,
  stripeEvent,
  stripeSettings,
  webhookSecret,
} from "../support/stripe.ts";

const path = "/v1/billing/webhook";
/** Nothing listens there: a webhook does not call Stripe. */
const noStripe = "http://127.0.0.1:9";
const settings = { ...stripeSettings(noStripe), STRIPE_WEBHOOK_SECRET_PREVIOUS: previousWebhookSecret };

describe("POST /v1/billing/webhook", () => {
  const grants: GrantCreditsRequest[] = [];
  const grantCredits = (request: GrantCreditsRequest) => {
    grants.push(request);
    return { balance: 1512n };
  };
  const stack = suite(() => startStack({ grantCredits }, settings));
  beforeEach(() => {
    grants.length = 0;
    stack().upstream.rpcs.grantCredits = grantCredits;
  });

  async function send(
    body: string | Buffer,
    headers: Record<string, string> = { "Stripe-Signature": signatureOf(body.toString()) },
    gateway: TestGateway = stack().gateway,
  ) {
    const response = await gateway.fetch(path, {
      method: "POST",
      body: new Uint8Array(Buffer.from(body)),
      headers: { "Content-Type": "application/json; charset=utf-8", ...headers },
      token: null,
    });
    return {
      status: response.status,
      body: (await response.json()) as Schema["WebhookReceipt"] & Schema["Error"],
      response,
    };
  }

  it("grants the credits of a paid session to its principal, and returns the balance", async () => {
    const { status, body } = await send(stripeEvent());
    assert.equal(status, 200);
    assert.deepEqual(body, { received: true, credited: true, balance: 1512 });
    assert.deepEqual(grants, [
      create(GrantCreditsRequestSchema, {
        principal: "alice",
        amount: 500n,
        reason: "topup:stripe:cs_test_a1",
        idempotencyKey: "cs_test_a1",
      }),
    ]);
    const metadata = stack().upstream.calls.at(-1)?.metadata;
    assert.equal(metadata?.get("ff-principal"), null);
    assert.ok(metadata.has("traceparent"));
    assert.ok(metadata.has("grpc-timeout"));
  });

  it("logs the grant by stripe with principal, credits, session and client", async () => {
    const session = paidSession({ id: "cs_test_logged" });
    await send(stripeEvent(session));
    const line = stack().gateway.logs.find(
      ({ event, session_id }) => event === "credits.granted" && session_id === "cs_test_logged",
    );
    assert.equal(line?.["principal"], "alice");
    assert.equal(line["credits"], 500);
    assert.equal(line["actor"], "stripe");
    assert.equal(line["client_address"], "127.0.0.1");
    assert.match(String(line.trace_id), /^[0-9a-f]{32}$/);
  });

  it("accepts signatures of both secrets, and several of them", async () => {
    const event = stripeEvent();
    const [previous, current] = [signatureOf(event, previousWebhookSecret), signatureOf(event)];
    for (const signature of [previous, current, `${current},${previous.slice(previous.indexOf("v1="))}`])
      assert.equal((await send(event, { "Stripe-Signature": signature })).status, 200);
    assert.equal(grants.length, 3);
  });

  it("verifies the bytes as they were sent, whatever they are", async () => {
    const event = `\n{ "x": "\\u00e9é", ${stripeEvent().slice(1)}\n`;
    assert.equal((await send(event)).body.credited, true);
  });

  for (const [what, event] of [
    ["an event of another type", stripeEvent({ object: "invoice" }, { type: "invoice.paid" })],
    ["a session that is not paid yet", stripeEvent(paidSession({ payment_status: "unpaid" }))],
    ["a live event in test mode", stripeEvent(paidSession({ livemode: true }), { livemode: true })],
    ["another amount", stripeEvent(paidSession({ amount_total: 1 }))],
    ["another currency", stripeEvent(paidSession({ currency: "jpy" }))],
    ["a session of another program", stripeEvent(paidSession({ metadata: {} }))],
  ] as const)
    it(`receives ${what} and grants nothing`, async () => {
      const { status, body } = await send(event);
      assert.deepEqual([status, body], [200, { received: true, credited: false }]);
      assert.deepEqual(grants, []);
    });

  it("grants nothing for a test event in live mode", async () => {
    const gateway = await startTestGateway({
      ORCHESTRATOR_ENDPOINT: stack().upstream.url,
      ...settings,
      STRIPE_ENDPOINT: "https://127.0.0.1:9",
      STRIPE_SECRET_KEY: "rk_live_4eC39HqLyjWDarjtT1zdp7dc",
    });
    try {
      const event = stripeEvent();
      assert.equal(
        (await send(event, { "Stripe-Signature": signatureOf(event) }, gateway)).body.credited,
        false,
      );
      assert.deepEqual(grants, []);
      const live = stripeEvent(paidSession({ livemode: true }), { livemode: true });
      assert.equal(
        (await send(live, { "Stripe-Signature": signatureOf(live) }, gateway)).body.credited,
        true,
      );
    } finally {
      await gateway.close();
    }
  });

  it("logs a payment that it rejects, with its session and the reason", async () => {
    await send(stripeEvent(paidSession({ id: "cs_test_odd", amount_total: 1 })));
    const line = stack().gateway.logs.find(({ session_id }) => session_id === "cs_test_odd");
    assert.equal(line?.event, "payment.rejected");
    assert.equal(line["level"], "error");
    assert.equal(line["session_id"], "cs_test_odd");
    assert.equal(line["reason"], "the amount is not the price of the credits");
  });

  const event = stripeEvent();
  const signature = signatureOf(event);
  const seconds = Math.floor(Date.now() / 1000);
  for (const [what, body, headers] of [
    ["no signature", event, {}],
    ["an empty signature", event, { "Stripe-Signature": "" }],
    ["a signature by another secret", event, { "Stripe-Signature": signatureOf(event, "whsec_other") }],
    ["the signature of another body", `${event} `, { "Stripe-Signature": signature }],
    [
      "changed bytes",
      event.replace('"500"', '"900"').replace("500,", "900,"),
      { "Stripe-Signature": signature },
    ],
    [
      "a body that a proxy has written again",
      JSON.stringify(JSON.parse(event), null, 1),
      { "Stripe-Signature": signature },
    ],
    [
      "a signature that is too old",
      event,
      { "Stripe-Signature": signatureOf(event, webhookSecret, seconds - 400) },
    ],
    [
      "a signature of the future",
      event,
      { "Stripe-Signature": signatureOf(event, webhookSecret, seconds + 4000) },
    ],
    ["a signed text that is no event", "[]", { "Stripe-Signature": signatureOf("[]") }],
    ["a signed text that is no JSON", "{", { "Stripe-Signature": signatureOf("{") }],
    ["a bearer token in place of the signature", event, { Authorization: "Bearer admin-token-of-the-tests" }],
  ] as const)
    it(`returns 400 for ${what}, and grants nothing`, async () => {
      const { status, body: error } = await send(body, headers);
      assert.equal(status, 400);
      assert.equal(error.code, "INVALID_ARGUMENT");
      assert.deepEqual(grants, []);
    });

  it("returns 415 for a body that a proxy has compressed", async () => {
    const headers = { "Stripe-Signature": signature, "Content-Encoding": "gzip" };
    assert.equal((await send(gzipSync(event), headers)).status, 415);
    assert.deepEqual(grants, []);
  });

  it("returns 413 for more than 256 KiB", async () => {
    const large = stripeEvent(paidSession({ more: "x".repeat(256 * 1024) }));
    assert.equal((await send(large)).status, 413);
  });

  for (const code of [
    Code.InvalidArgument,
    Code.Unauthenticated,
    Code.ResourceExhausted,
    Code.Unavailable,
    Code.Internal,
  ])
    it(`returns 503 when GrantCredits fails with ${Code[code]}, so that Stripe sends the event again`, async () => {
      stack().upstream.rpcs.grantCredits = () => {
        throw new ConnectError("secret text of the platform", code);
      };
      const { status, body } = await send(event);
      assert.deepEqual([status, body.message], [503, "internal server error"]);
      stack().upstream.rpcs.grantCredits = grantCredits;
      assert.equal((await send(event)).body.credited, true);
    });

  it("returns 503 without Stripe, which is no failure to log", async () => {
    const gateway = await startTestGateway({ ORCHESTRATOR_ENDPOINT: stack().upstream.url });
    try {
      const { status, body } = await send(event, { "Stripe-Signature": signature }, gateway);
      assert.deepEqual([status, body.code], [503, "UNAVAILABLE"]);
      assert.deepEqual(grants, []);
      assert.ok(!gateway.logs.some(({ event }) => event === "request.failed"));
    } finally {
      await gateway.close();
    }
  });

  it("counts every event by its outcome", async () => {
    const increases = await increasesDuring(
      stack().gateway.url,
      "foldforge_gateway_stripe_events_total",
      async () => {
        await send(event);
        await send(stripeEvent(paidSession(), { type: "invoice.paid" }));
        await send(stripeEvent(paidSession({ amount_total: 1 })));
        await send(event, { "Stripe-Signature": "t=1,v1=00" });
        stack().upstream.rpcs.grantCredits = () => {
          throw new ConnectError("down", Code.Unavailable);
        };
        await send(event);
      },
    );
    assert.deepEqual(increases, { credited: 1, ignored: 1, rejected: 1, unverified: 1, failed: 1 });
  });
});
