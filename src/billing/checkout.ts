import { createHash } from "node:crypto";
import { Stripe } from "stripe";
import { z } from "zod";
import { invalidRequest, unavailable } from "../errors/http-error.ts";
import { returnUrlViolations } from "./return-url.ts";
import { createStripeFetch } from "./stripe-fetch.ts";

/** How to sell credits by Stripe Checkout. */
export interface CheckoutSettings {
  readonly secretKey: string;
  /** The origin of Stripe's API. */
  readonly endpoint: string;
  /** ISO 4217, in lower case. */
  readonly currency: string;
  /** The origins that the page of a session may lead to; undefined if any is allowed. */
  readonly returnOrigins: readonly string[] | undefined;
}

/** A purchase that the contract allows. */
export interface Purchase {
  readonly principal: string;
  readonly credits: number;
  readonly successUrl: string;
  readonly cancelUrl: string;
  readonly idempotencyKey: string | undefined;
}

/**
 * Creates a Checkout session and resolves to the URL of its page. Rejects with 400 for what the return origins or Stripe do
 * not allow, with 503 for every other failure, and with the reason of `signal`, which ends the requests. The principal and
 * the credits are in the session's metadata.
 */
export type OpenCheckout = (purchase: Purchase, signal: AbortSignal) => Promise<string>;

/** The timeout of a request to Stripe, in milliseconds. A request without a response is sent once more. */
const defaultTimeoutMs = 10_000;

/** The page of a session is a URL; everything else that a session has is small, too. In bytes. */
const maxResponseBytes = 1024 * 1024;

/** What is read of a session. */
const openSession = z.object({ url: z.url({ protocol: /^https?$/ }) });

export function createCheckout(
  { secretKey, endpoint, currency, returnOrigins }: CheckoutSettings,
  timeoutMs = defaultTimeoutMs,
): OpenCheckout {
  const { protocol, hostname, port } = new URL(endpoint);
  const isPlain = protocol === "http:";

  /** A client for one purchase: the library does not take a signal with a request. */
  function createClient(signal: AbortSignal): Stripe {
    return new Stripe(secretKey, {
      protocol: isPlain ? "http" : "https",
      host: hostname,
      port: port || (isPlain ? 80 : 443),
      httpClient: Stripe.createFetchHttpClient(createStripeFetch({ maxBytes: maxResponseBytes, signal })),
      timeout: timeoutMs,
      maxNetworkRetries: 1,
      telemetry: false,
    });
  }

  return async function openCheckout(purchase, signal) {
    const { principal, credits, successUrl, cancelUrl } = purchase;
    const urls = { success_url: successUrl, cancel_url: cancelUrl };
    const violations = returnUrlViolations(urls, returnOrigins);
    if (violations.length > 0) throw invalidRequest(violations);
    const session = await createClient(signal)
      .checkout.sessions.create(
        {
          mode: "payment",
          line_items: [
            {
              quantity: 1,
              price_data: {
                currency,
                unit_amount: credits,
                product_data: { name: `${credits} FoldForge credits` },
              },
            },
          ],
          client_reference_id: principal,
          metadata: { principal, credits: String(credits) },
          ...urls,
        },
        idempotencyOf(purchase),
      )
      .catch((error: unknown) => {
        signal.throwIfAborted();
        throw httpErrorFrom(error, secretKey);
      });
    const { data } = openSession.safeParse(session);
    if (data === undefined) throw unavailable(new Error("Stripe returned a session without a page"));
    return data.url;
  };
}

/** Stripe's keys are those of the whole account: a principal's key must not meet that of another one. */
function idempotencyOf({ principal, idempotencyKey }: Purchase): { idempotencyKey?: string } {
  if (idempotencyKey === undefined) return {};
  const scoped = JSON.stringify([principal, idempotencyKey]);
  return { idempotencyKey: createHash("sha256").update(scoped).digest("hex") };
}

/** The members of the request that Stripe's parameters come from. */
const members: readonly (readonly [param: RegExp, path: string])[] = [
  [/^success_url/, "/body/success_url"],
  [/^cancel_url/, "/body/cancel_url"],
  [/^line_items\[\d+\]\[(price_data\]\[unit_)?amount/, "/body/credits"],
];

/** Codes about an amount, which Stripe may report without a parameter. */
const amountCodes: ReadonlySet<string | undefined> = new Set(["amount_too_small", "amount_too_large"]);

/** Only what Stripe says about the members of the request reaches the client. The rest is the operator's, and logged. */
function httpErrorFrom(error: unknown, secretKey: string): Error {
  if (!(error instanceof Stripe.errors.StripeError)) return unavailable(error);
  const withoutKey = (text: string) => text.replaceAll(secretKey, "(secret key)");
  if (error instanceof Stripe.errors.StripeIdempotencyError && error.statusCode === 400)
    return invalidRequest([{ path: "/headers/idempotency-key", message: "was used for another purchase" }]);
  if (error instanceof Stripe.errors.StripeInvalidRequestError) {
    const [, path] = amountCodes.has(error.code)
      ? [undefined, "/body/credits"]
      : (members.find(([param]) => param.test(error.param ?? "")) ?? []);
    if (path !== undefined)
      return invalidRequest([{ path, message: withoutKey(`is not accepted by Stripe: ${error.message}`) }]);
  }
  const { type, code = "none", statusCode = "none", requestId = "none", message, detail } = error;
  const text = `${type}, code ${code}, status ${statusCode}, request ${requestId}: ${message}`;
  return unavailable(new Error(withoutKey(text), { cause: detail instanceof Error ? detail : undefined }));
}
