import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import { createCheckout } from "../../src/billing/checkout.ts";
import type { Purchase } from "../../src/billing/checkout.ts";
import { errorResponse } from "../../src/errors/error-response.ts";
import { HttpError } from "../../src/errors/http-error.ts";
import { sendStripe, startStripe, stripeKey } from "../support/stripe.ts";
import type { FakeStripe } from "../support/stripe.ts";

const purchase: Purchase = {
  principal: "alice",
  credits: 500,
  successUrl: "https://app.example/paid?session={CHECKOUT_SESSION_ID}",
  cancelUrl: "https://app.example/cancelled",
  idempotencyKey: "order-1",
};

/** A checkout by the Stripe at `url`, whose requests end only by themselves. */
function checkoutAt(url: string, timeoutMs?: number) {
  const settings = { secretKey: stripeKey, endpoint: url, currency: "eur", returnOrigins: undefined };
  const openCheckout = createCheckout(settings, timeoutMs);
  return (purchase: Purchase, { signal } = new AbortController()) => openCheckout(purchase, signal);
}

/** The error of a purchase. */
async function failure(stripe: FakeStripe, timeoutMs?: number): Promise<HttpError> {
  const error: unknown = await checkoutAt(
    stripe.url,
    timeoutMs,
  )(purchase).then(
    () => assert.fail("the purchase has succeeded"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HttpError);
  return error;
}

describe("createCheckout", () => {
  it("creates a session for one item whose price is that of the credits", async () => {
    await using stripe = await startStripe();
    const url = await checkoutAt(stripe.url)(purchase);
    assert.equal(url, "https://checkout.stripe.com/c/pay/cs_test_1");
    const [request, ...others] = stripe.requests;
    assert.equal(others.length, 0);
    assert.equal(`${request?.method} ${request?.url}`, "POST /v1/checkout/sessions");
    assert.equal(request?.headers.authorization, `Bearer ${stripeKey}`);
    assert.deepEqual(request.form, {
      mode: "payment",
      "line_items[0][quantity]": "1",
      "line_items[0][price_data][currency]": "eur",
      "line_items[0][price_data][unit_amount]": "500",
      "line_items[0][price_data][product_data][name]": "500 FoldForge credits",
      client_reference_id: "alice",
      "metadata[principal]": "alice",
      "metadata[credits]": "500",
      success_url: purchase.successUrl,
      cancel_url: purchase.cancelUrl,
    });
  });

  it("sends one idempotency key for the same principal and key, and others for others", async () => {
    await using stripe = await startStripe();
    const open = checkoutAt(stripe.url);
    for (const changes of [{}, {}, { principal: "bob" }, { idempotencyKey: "order-2" }])
      await open({ ...purchase, ...changes });
    const [first, again, ...others] = stripe.requests.map(({ headers }) => headers["idempotency-key"]);
    assert.equal(first, createHash("sha256").update('["alice","order-1"]').digest("hex"));
    assert.equal(again, first);
    assert.equal(new Set([first, ...others]).size, 3);
  });

  for (const [what, status, error, path, message] of [
    [
      "a URL",
      400,
      {
        type: "invalid_request_error",
        code: "url_invalid",
        param: "success_url",
        message: "Not a valid URL",
      },
      "/body/success_url",
      "is not accepted by Stripe: Not a valid URL",
    ],
    [
      "an amount, without a parameter",
      400,
      { type: "invalid_request_error", code: "amount_too_small", message: "At least $0.50 usd" },
      "/body/credits",
      "is not accepted by Stripe: At least $0.50 usd",
    ],
    [
      "an amount",
      400,
      {
        type: "invalid_request_error",
        param: "line_items[0][price_data][unit_amount]",
        message: `Too much for ${stripeKey}`,
      },
      "/body/credits",
      "is not accepted by Stripe: Too much for (secret key)",
    ],
    [
      "an idempotency key of another purchase",
      400,
      { type: "idempotency_error", message: "Keys for idempotent requests …" },
      "/headers/idempotency-key",
      "was used for another purchase",
    ],
  ] as const)
    it(`rejects with 400 when Stripe refuses ${what}`, async () => {
      await using stripe = await startStripe();
      stripe.respond = (res) => sendStripe(res, status, { error });
      const { violations, code } = await failure(stripe);
      assert.equal(code, 3);
      assert.deepEqual(violations, [{ path, message }]);
    });

  for (const [what, respond] of [
    ["the key", [401, { type: "invalid_request_error", message: `Invalid API Key: ${stripeKey}` }]],
    ["the permission", [403, { type: "invalid_request_error", message: "secret-text" }]],
    ["the rate", [429, { type: "invalid_request_error", code: "rate_limit", message: "secret-text" }]],
    ["the currency", [400, { type: "invalid_request_error", param: "currency", message: "secret-text" }]],
    ["the account", [400, { type: "invalid_request_error", message: "secret-text" }]],
    ["an idempotency key in use", [409, { type: "idempotency_error", message: "secret-text" }]],
    ["a card", [402, { type: "card_error", message: "secret-text" }]],
    ["everything", [500, { type: "api_error", message: "secret-text" }]],
  ] as const)
    it(`rejects with 503, without Stripe's text, when Stripe refuses ${what}`, async () => {
      await using stripe = await startStripe();
      const [status, error] = respond;
      stripe.respond = (res) => {
        res.setHeader("stripe-should-retry", "false");
        sendStripe(res, status, { error });
      };
      const reason = await failure(stripe);
      const response = errorResponse(reason, { isIdempotent: true });
      assert.equal(response.status, 503);
      assert.equal(response.body.message, "internal server error");
      assert.ok(reason.cause instanceof Error);
      assert.match(reason.cause.message, new RegExp(`status ${status}`));
      assert.ok(!JSON.stringify([reason.message, reason.cause.message]).includes(stripeKey));
    });

  it("removes the key wherever Stripe repeats it", async () => {
    await using stripe = await startStripe();
    stripe.respond = (res) => {
      res.setHeader("request-id", stripeKey);
      sendStripe(res, 400, { error: { type: "invalid_request_error", code: stripeKey, message: stripeKey } });
    };
    const { cause } = await failure(stripe);
    assert.ok(cause instanceof Error);
    assert.match(cause.message, /\(secret key\).*\(secret key\).*\(secret key\)/);
    assert.ok(!cause.message.includes(stripeKey));
  });

  it("does not print what Stripe notices", async () => {
    await using stripe = await startStripe();
    const { respond } = stripe;
    stripe.respond = (res) => {
      res.setHeader("Stripe-Notice", "secret-text");
      respond(res);
    };
    const warnings: Error[] = [];
    const collect = (warning: Error) => warnings.push(warning);
    process.on("warning", collect);
    try {
      await checkoutAt(stripe.url)(purchase);
      await nextTurn();
      assert.deepEqual(warnings, []);
    } finally {
      process.off("warning", collect);
    }
  });

  it("ends the request when the signal aborts, and rejects with its reason", async () => {
    await using stripe = await startStripe();
    const controller = new AbortController();
    const closed = new Promise((resolve) => {
      stripe.respond = (res) => {
        res.on("close", resolve);
        controller.abort(new Error("enough"));
      };
    });
    await assert.rejects(checkoutAt(stripe.url)(purchase, controller), /enough/);
    await closed;
    assert.equal(stripe.requests.length, 1);
  });

  it("closes a connection that is not set up yet when the signal aborts", async () => {
    const controller = new AbortController();
    const closed = Promise.withResolvers<string>();
    // It accepts connections and does not respond to TLS.
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined).on("close", () => closed.resolve("closed"));
      controller.abort();
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      const { port } = server.address() as AddressInfo;
      await assert.rejects(checkoutAt(`https://127.0.0.1:${port}`)(purchase, controller));
      // A connection ends by itself after 10 s.
      assert.equal(await Promise.race([closed.promise, delay(6000, "open", { ref: false })]), "closed");
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  for (const [what, respond] of [
    ["is no JSON", (res) => void res.end("<html>")],
    ["has no page", (res) => sendStripe(res, 200, { id: "cs_1", url: null })],
    ["has no URL as its page", (res) => sendStripe(res, 200, { id: "cs_1", url: "checkout" })],
    ["has a script as its page", (res) => sendStripe(res, 200, { id: "cs_1", url: "javascript:alert(1)" })],
    ["has two pages", (res) => sendStripe(res, 200, { id: "cs_1", url: ["https://a.example"] })],
    ["is a text", (res) => void res.end('"ok"')],
    ["is null", (res) => void res.end("null")],
    [
      "is larger than 1 MiB",
      (res) => sendStripe(res, 200, { url: "https://x.example", more: "x".repeat(2 ** 20) }),
    ],
    ["is a redirect", (res) => void res.writeHead(307, { Location: "http://127.0.0.1:9/" }).end()],
    [
      "breaks off",
      (res) => void res.writeHead(200, { "Content-Length": "10" }).write("{", () => res.destroy()),
    ],
  ] satisfies [string, FakeStripe["respond"]][])
    it(`rejects with 503 when the response ${what}`, async () => {
      await using stripe = await startStripe();
      stripe.respond = respond;
      assert.equal(errorResponse(await failure(stripe), { isIdempotent: true }).status, 503);
    });

  for (const [what, respond] of [
    ["does not end its response in time", (res) => void res.writeHead(200).write("{")],
    [
      "switches protocols",
      (res) => res.writeHead(101, { Connection: "upgrade", Upgrade: "x" }).flushHeaders(),
    ],
  ] satisfies [string, FakeStripe["respond"]][])
    it(`rejects with 503 when Stripe ${what}`, async () => {
      await using stripe = await startStripe();
      stripe.respond = respond;
      assert.equal(errorResponse(await failure(stripe, 200), { isIdempotent: true }).status, 503);
    });

  it("rejects with 503 when Stripe cannot be reached", async () => {
    const stripe = await startStripe();
    await stripe.close();
    const error = await failure(stripe);
    assert.equal(errorResponse(error, { isIdempotent: true }).status, 503);
    assert.match(inspect(error, { depth: null }), /ECONNREFUSED/);
  });

  it("sends a request again with the same key when it gets no response", async () => {
    await using stripe = await startStripe();
    const respond = stripe.respond;
    stripe.respond = (res) => {
      stripe.respond = respond;
      res.destroy();
    };
    assert.match(await checkoutAt(stripe.url)(purchase), /^https:/);
    const keys = stripe.requests.map(({ headers }) => headers["idempotency-key"]);
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
  });
});
