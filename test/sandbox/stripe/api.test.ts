import assert from "node:assert/strict";
import Stripe from "stripe";
import { suite } from "../../support/gateway.ts";
import { sessionParams, startTestStripe, startWebhookReceiver, stripeClient, pay } from "./support.ts";

const nowhere = "http://127.0.0.1:9/";
const day = 24 * 60 * 60;

describe("createApi", () => {
  const clock = { ms: Date.now() };
  const stripe = suite(() => startTestStripe(nowhere, () => clock.ms));
  const create = (options?: Stripe.RequestOptions, params: object = {}) =>
    stripe().client.checkout.sessions.create({ ...sessionParams, ...params }, options);

  describe("POST /v1/checkout/sessions", () => {
    it("creates an open session for the official client", async () => {
      const session = await create();
      assert.match(session.id, /^cs_test_\w{48}$/);
      assert.equal(session.url, `${stripe().url}/pay/${session.id}`);
      const { object, status, payment_status, amount_total, amount_subtotal, currency, livemode } = session;
      assert.deepEqual(
        { object, status, payment_status, amount_total, amount_subtotal, currency, livemode },
        {
          object: "checkout.session",
          status: "open",
          payment_status: "unpaid",
          amount_total: 500,
          amount_subtotal: 500,
          currency: "usd",
          livemode: false,
        },
      );
      assert.equal(session.client_reference_id, "alice");
      assert.deepEqual(session.metadata, sessionParams.metadata);
      assert.equal(session.success_url, sessionParams.success_url);
      assert.equal(session.cancel_url, sessionParams.cancel_url);
      assert.equal(session.expires_at, session.created + day);
      assert.match(session.lastResponse.requestId, /^req_/);
    });

    it("replays the response to the same key and parameters", async () => {
      const first = await create({ idempotencyKey: "k1" });
      const second = await create({ idempotencyKey: "k1" });
      assert.equal(second.id, first.id);
      assert.deepEqual(
        [first, second].map(({ lastResponse }) => lastResponse.headers["idempotent-replayed"]),
        [undefined, "true"],
      );
      assert.notEqual((await create({ idempotencyKey: "k2" })).id, first.id);
    });

    it("returns an idempotency error for the same key and other parameters", async () => {
      await create({ idempotencyKey: "k3" });
      await assert.rejects(create({ idempotencyKey: "k3" }, { client_reference_id: "bob" }), (error) => {
        assert.ok(error instanceof Stripe.errors.StripeIdempotencyError);
        assert.equal(error.statusCode, 400);
        return true;
      });
    });

    it("does not remember the key of a request that has failed", async () => {
      await assert.rejects(create({ idempotencyKey: "k4" }, { success_url: "x" }));
      assert.equal((await create({ idempotencyKey: "k4" })).status, "open");
      await assert.rejects(create({ idempotencyKey: "k".repeat(256) }), { statusCode: 400 });
    });
  });

  describe("GET /v1/checkout/sessions/{id}", () => {
    it("returns a session, which expires after a day", async () => {
      const { id } = await create();
      const retrieve = () => stripe().client.checkout.sessions.retrieve(id);
      const { status, url } = await retrieve();
      assert.deepEqual([status, url], ["open", `${stripe().url}/pay/${id}`]);
      clock.ms += day * 1000 - 1000;
      assert.equal((await retrieve()).status, "open");
      clock.ms += 1000;
      const expired = await retrieve();
      assert.deepEqual([expired.status, expired.url], ["expired", null]);
    });

    it("returns 404 for a session that is not known", async () => {
      await assert.rejects(stripe().client.checkout.sessions.retrieve("cs_test_none"), (error) => {
        assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError);
        assert.deepEqual([error.statusCode, error.code, error.param], [404, "resource_missing", "session"]);
        return true;
      });
    });
  });

  describe("POST /v1/webhook_endpoints/we_sandbox", () => {
    it("sends events to another URL from then on", async () => {
      await using receiver = await startWebhookReceiver();
      const endpoint = await stripe().client.webhookEndpoints.update("we_sandbox", { url: receiver.url });
      assert.deepEqual([endpoint.id, endpoint.url], ["we_sandbox", receiver.url]);
      const { url } = await create();
      await pay(url!);
      assert.equal(receiver.received.length, 1);
    });

    it("returns 400 for what is not a URL", async () => {
      await assert.rejects(stripe().client.webhookEndpoints.update("we_sandbox", { url: "gateway" }), {
        code: "url_invalid",
        param: "url",
      });
    });
  });

  it("accepts only a test key", async () => {
    for (const key of ["sk_live_tests", "tests"])
      await assert.rejects(
        stripeClient(stripe().url, key).checkout.sessions.create(sessionParams),
        (error) => {
          assert.ok(error instanceof Stripe.errors.StripeAuthenticationError);
          assert.ok(!error.message.includes(key));
          return error.statusCode === 401;
        },
      );
    assert.equal((await fetch(`${stripe().url}/v1/checkout/sessions/x`)).status, 401);
    const restricted = stripeClient(stripe().url, "rk_test_tests");
    assert.equal((await restricted.checkout.sessions.create(sessionParams)).status, "open");
  });

  for (const [what, path, init, status] of [
    ["a path that is not known", "/v1/customers", {}, 404],
    ["a path that cannot be decoded", "/v1/checkout/sessions/%ff", {}, 400],
    [
      "a body that is too large",
      "/v1/checkout/sessions",
      { method: "POST", body: new URLSearchParams({ mode: "x".repeat(200_000) }) },
      413,
    ],
  ] as const)
    it(`returns ${status} for ${what}`, async () => {
      const headers = { Authorization: "Bearer sk_test_tests" };
      const response = await fetch(stripe().url + path, { ...init, headers });
      assert.equal(response.status, status);
      const { error } = JSON.parse(await response.text());
      assert.equal(error.type, "invalid_request_error");
      assert.doesNotMatch(error.message, /\/src\/|at /);
    });
});
