import assert from "node:assert/strict";
import type { Schema } from "../../src/contract.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { withKeys } from "../support/operations.ts";
import { jsonPost } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";
import { sendStripe, startStripe, stripeKey, stripeSettings } from "../support/stripe.ts";

const path = "/v1/billing/checkout";
const token = "alices-key";
const purchase = {
  credits: 500,
  success_url: "https://app.example/paid?session={CHECKOUT_SESSION_ID}",
  cancel_url: "http://localhost:3000/billing",
};

describe("POST /v1/billing/checkout", () => {
  const stripe = suite(startStripe);
  const stack = suite(() =>
    startStack(withKeys.rpcs, { ...withKeys.settings, ...stripeSettings(stripe().url) }),
  );

  async function checkout(
    body: unknown = purchase,
    headers: Record<string, string> = {},
    gateway: TestGateway = stack().gateway,
  ) {
    const response = await gateway.fetch(path, { ...jsonPost(body, headers), token });
    return { response, body: (await response.json()) as Schema["Checkout"] & Schema["Error"] };
  }

  it("returns the page of a session for the key's principal, without a call", async () => {
    const calls = await callsDuring(stack().upstream, async () => {
      const { response, body } = await checkout();
      assert.equal(response.status, 200);
      assert.deepEqual(body, { url: "https://checkout.stripe.com/c/pay/cs_test_1" });
      assert.equal(response.headers.get("cache-control"), "no-store");
    });
    assert.deepEqual(
      calls.filter(({ rpc }) => rpc !== "AuthenticateApiKey"),
      [],
    );
    const form = stripe().requests.at(-1)?.form;
    assert.equal(form?.["client_reference_id"], "alice");
    assert.equal(form["metadata[credits]"], "500");
    assert.equal(form["success_url"], purchase.success_url);
    assert.equal(form["cancel_url"], purchase.cancel_url);
  });

  it("sends the same key to Stripe for the same Idempotency-Key", async () => {
    const before = stripe().requests.length;
    for (const key of ["a", "a", "b"]) await checkout(purchase, { "Idempotency-Key": key });
    const [first, again, other] = stripe()
      .requests.slice(before)
      .map(({ headers }) => headers["idempotency-key"]);
    assert.equal(first, again);
    assert.notEqual(first, other);
  });

  for (const [what, changes, violation] of [
    ["no credits", { credits: 0 }, "/body/credits must be >= 1"],
    ["too many credits", { credits: 100_000_000 }, "/body/credits must be <= 99999999"],
    ["a part of a credit", { credits: 1.5 }, "/body/credits must be integer"],
    ["credits that are text", { credits: "5" }, "/body/credits must be integer"],
    ["an unknown property", { currency: "eur" }, "/body/currency is not a property of this object"],
    ...[
      "http://app.example/",
      "http://localhost.evil.example/",
      "http://127.0.0.1.evil.example/",
      "javascript:alert(1)",
      "//app.example/",
      "/paid",
      "app.example",
      " https://app.example/",
      "https://app.example/\\evil",
      "https://app.example/\n",
      "https://app.example/<script>",
      "HTTPS://app.example/",
    ].map((success_url): [string, object, string] => [
      `the URL ${JSON.stringify(success_url)}`,
      { success_url },
      "/body/success_url must be an https:// URL, or an http:// one of localhost, 127.0.0.1 or [::1]",
    ]),
    [
      "a URL with a user",
      { cancel_url: "https://a@b.example" },
      "/body/cancel_url must not have a user or a password",
    ],
  ] as const)
    it(`returns 400 for ${what}, without a request to Stripe`, async () => {
      const before = stripe().requests.length;
      const { response, body } = await checkout({ ...purchase, ...changes });
      assert.equal(response.status, 400);
      const [first, ...others] = (body.details ?? []).map(({ path, message }) => `${path} ${message}`);
      assert.ok(first?.startsWith(violation), first);
      assert.deepEqual(others, []);
      assert.equal(stripe().requests.length, before);
    });

  it("lists every missing property", async () => {
    const { body } = await checkout({});
    assert.equal(body.details?.length, 3);
  });

  it("accepts http URLs of this machine", async () => {
    for (const host of ["localhost", "localhost:3000", "127.0.0.1", "[::1]:8080"])
      assert.equal(
        (await checkout({ ...purchase, success_url: `http://${host}/paid` })).response.status,
        200,
        host,
      );
  });

  it("accepts only the return origins that are set", async () => {
    const gateway = await startTestGateway({
      ORCHESTRATOR_ENDPOINT: stack().upstream.url,
      ...withKeys.settings,
      ...stripeSettings(stripe().url),
      CHECKOUT_RETURN_ORIGINS: "https://app.example,http://localhost:3000",
    });
    try {
      assert.equal((await checkout(purchase, {}, gateway)).response.status, 200);
      const { response, body } = await checkout(
        { ...purchase, success_url: "https://evil.example/", cancel_url: "https://evil.example/" },
        {},
        gateway,
      );
      assert.equal(response.status, 400);
      assert.deepEqual(
        body.details?.map(({ path }) => path),
        ["/body/success_url", "/body/cancel_url"],
      );
    } finally {
      await gateway.close();
    }
  });

  it("returns 400 with Stripe's reason, and 503 without it, and never the secret key", async () => {
    const original = stripe().respond;
    try {
      stripe().respond = (res) =>
        sendStripe(res, 400, {
          error: { type: "invalid_request_error", code: "amount_too_small", message: "At least 50 cents" },
        });
      const refused = await checkout();
      assert.equal(refused.response.status, 400);
      assert.match(refused.body.message, /At least 50 cents/);
      stripe().respond = (res) =>
        sendStripe(res, 401, {
          error: { type: "invalid_request_error", message: `Invalid API Key: ${stripeKey}` },
        });
      const failed = await checkout();
      assert.equal(failed.response.status, 503);
      assert.equal(failed.body.message, "internal server error");
      assert.ok(Number(failed.response.headers.get("retry-after")) > 0);
      assert.ok(!stack().gateway.logText.includes(stripeKey));
      assert.ok(stack().gateway.logText.includes("StripeAuthenticationError"));
    } finally {
      stripe().respond = original;
    }
  });

  it("ends its request to Stripe when the client disconnects", async () => {
    const { respond } = stripe();
    try {
      const client = new AbortController();
      const closed = new Promise((resolve) => {
        stripe().respond = (res) => {
          res.on("close", resolve);
          client.abort();
        };
      });
      await assert.rejects(
        stack().gateway.fetch(path, { ...jsonPost(purchase), token, signal: client.signal }),
      );
      await closed;
    } finally {
      stripe().respond = respond;
    }
  });

  it("returns 403 to the administrator, who has no credits", async () => {
    const response = await stack().gateway.fetch(path, jsonPost(purchase));
    assert.equal(response.status, 403);
  });

  it("returns 401 without a token", async () => {
    assert.equal((await stack().gateway.fetch(path, { ...jsonPost(purchase), token: null })).status, 401);
  });

  it("returns 503 UNAVAILABLE without Stripe", async () => {
    const gateway = await startTestGateway({
      ORCHESTRATOR_ENDPOINT: stack().upstream.url,
      ...withKeys.settings,
    });
    try {
      const { response, body } = await checkout(purchase, {}, gateway);
      assert.deepEqual([response.status, body.code], [503, "UNAVAILABLE"]);
      assert.match(body.message, /Stripe is not configured/);
    } finally {
      await gateway.close();
    }
  });
});
