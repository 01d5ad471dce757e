import { fileURLToPath } from "node:url";
import express, { type ErrorRequestHandler, type Request, type Response, type Router } from "express";
import { z } from "zod";
import type { CheckoutSessions } from "./checkout-sessions.ts";
import { notFoundPage, payPage, successUrl } from "./pay-page.ts";

const stylesheet = fileURLToPath(new URL("./pay-page.css", import.meta.url));

/**
 * The page has no script, and loads nothing of others. Chromium applies form-action to the redirects after a form too,
 * and these lead to any site.
 */
const headers = {
  "Cache-Control": "no-store",
  "Content-Security-Policy":
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

const payment = z.object({ method: z.enum(["card", "bank_debit"]).catch("card") });

/** The page on which a buyer pays a session, and its stylesheet. */
export function createPayRoutes(sessions: CheckoutSessions): Router {
  function show(req: Request<{ id: string }>, res: Response) {
    const session = sessions.find(req.params.id);
    if (session === undefined) res.status(404).send(notFoundPage());
    else res.send(payPage(session, sessions.status(session)));
  }

  async function pay(req: Request<{ id: string }>, res: Response) {
    const session = sessions.find(req.params.id);
    if (session === undefined) return void res.status(404).send(notFoundPage());
    await sessions.pay(session, payment.parse(req.body ?? {}).method);
    const isPaid = sessions.status(session) === "complete";
    res.redirect(303, isPaid ? successUrl(session) : `/pay/${session.id}`);
  }

  return express
    .Router()
    .use(setHeaders)
    .get("/page.css", (_req, res) => res.sendFile(stylesheet))
    .get("/:id", show)
    .post("/:id", express.urlencoded({ extended: false }), pay)
    .use(sendError);
}

function setHeaders(_req: Request, res: Response, next: () => void) {
  res.set(headers);
  next();
}

/** For a path or a form that cannot be read. */
const sendError: ErrorRequestHandler = (_error, _req, res, _next) => {
  res.status(400).send(notFoundPage());
};
