import { randomBytes } from "node:crypto";
import express, { type ErrorRequestHandler, type Request, type Response, type Router } from "express";
import { z } from "zod";
import type { CheckoutSession, CheckoutSessions } from "./checkout-sessions.ts";
import { createIdempotentResponses } from "./idempotent-responses.ts";
import { parseForm, parseSessionParams, webUrl } from "./session-params.ts";
import { StripeError } from "./stripe-error.ts";
import { webhookEndpointId } from "./webhook-endpoint.ts";
import type { WebhookSender } from "./webhook-sender.ts";

const endpointUpdate = z.strictObject({ url: webUrl });

/** Creates and reads checkout sessions, and changes the URL of the webhook, as the API of Stripe does. */
export function createApi(sessions: CheckoutSessions, webhook: WebhookSender): Router {
  const respondOnce = createIdempotentResponses();

  function createSession(req: Request, res: Response) {
    const { body, isReplayed } = respondOnce(req.get("Idempotency-Key"), req.body, () =>
      sessions.toJson(sessions.create(parseSessionParams(req.body), req.get("Stripe-Version") ?? null)),
    );
    if (isReplayed) res.set("Idempotent-Replayed", "true");
    res.type("json").send(body);
  }

  function retrieveSession(req: Request<{ id: string }>, res: Response) {
    res.json(sessions.toJson(foundOr404(sessions.find(req.params.id), req.params.id)));
  }

  function updateWebhookEndpoint(req: Request, res: Response) {
    webhook.url = parseForm(endpointUpdate, req.body).url;
    res.json({
      id: webhookEndpointId,
      object: "webhook_endpoint",
      enabled_events: ["checkout.session.completed", "checkout.session.async_payment_succeeded"],
      livemode: false,
      status: "enabled",
      url: webhook.url,
    });
  }

  return express
    .Router()
    .use(identifyRequest, requireTestKey, express.urlencoded({ extended: true }))
    .post("/checkout/sessions", createSession)
    .get("/checkout/sessions/:id", retrieveSession)
    .post(`/webhook_endpoints/${webhookEndpointId}`, updateWebhookEndpoint)
    .use(rejectUnknownPath)
    .use(sendError);
}

function foundOr404(session: CheckoutSession | undefined, id: string): CheckoutSession {
  if (session !== undefined) return session;
  throw new StripeError(404, `No such checkout.session: ${id}`, {
    type: "invalid_request_error",
    code: "resource_missing",
    param: "session",
  });
}

function identifyRequest(_req: Request, res: Response, next: () => void) {
  res.set("Request-Id", `req_${randomBytes(7).toString("hex")}`);
  next();
}

/** Any key of the right form: it protects nothing here. */
function requireTestKey(req: Request, _res: Response, next: () => void) {
  const header = req.get("Authorization") ?? "";
  if (header === "")
    throw new StripeError(401, "You did not provide an API key, as `Authorization: Bearer sk_test_...`.");
  if (!/^Bearer (sk|rk)_test_\w+$/.test(header))
    throw new StripeError(
      401,
      "Invalid API Key provided. This sandbox takes sk_test_... and rk_test_..., and no other.",
    );
  next();
}

function rejectUnknownPath(req: Request) {
  throw new StripeError(404, `Unrecognized request URL (${req.method}: ${req.baseUrl}${req.path}).`);
}

const sendError: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  const stripeError = error instanceof StripeError ? error : errorFromBody(error);
  res.status(stripeError.status).json(stripeError);
};

/** The error for a body that cannot be read, which Express gives a status below 500. */
function errorFromBody(error: unknown): StripeError {
  const status = error instanceof Error && "status" in error ? Number(error.status) : 500;
  if (status >= 400 && status < 500) return new StripeError(status, "The body of the request is not valid.");
  return new StripeError(500, "The sandbox has failed.", { type: "api_error" });
}
