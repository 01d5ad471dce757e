import type { CheckoutSession, CheckoutSessions } from "./checkout-sessions.ts";
import { html, htmlDocument, type Html } from "./html.ts";
import type { Delivery } from "./webhook-sender.ts";

/** The page on which a buyer pays or cancels a session, or sees what has become of it. */
export function payPage(session: CheckoutSession, status: ReturnType<CheckoutSessions["status"]>): string {
  const { params, payment, deliveries } = session;
  const amount = formatAmount(params.amount, params.currency);
  const details = descriptionList([
    ...params.lineItems.map(
      ({ name, quantity }) => ["Item", quantity === 1 ? name : `${name} × ${quantity}`] as const,
    ),
    ["Credits", params.metadata["credits"]],
    ["Principal", params.clientReferenceId],
  ]);
  if (status === "open") return page(`Pay ${amount}`, html`${details}${payForm(params.cancelUrl)}`);
  if (status === "expired")
    return page(
      "Expired",
      html`${details}
        <p>It could be paid for a day.</p>
        ${cancelLink(params.cancelUrl)}`,
    );
  return page(
    payment === "paid" ? `Paid ${amount}` : `Paying ${amount}`,
    html`${details}
      <section aria-label="Webhook">
        <h2>What was sent to the gateway</h2>
        <ul>
          ${deliveries.map((delivery) => html`<li>${describe(delivery)}</li>`)}
        </ul>
      </section>
      <a href="${successUrl(session)}">Continue</a>`,
  );
}

/** The page for a session that is not known. */
export function notFoundPage(): string {
  return page("No such checkout", html`<p>The sandbox forgets all of them when it stops.</p>`);
}

/** Where a buyer goes on: https://docs.stripe.com/payments/checkout/custom-success-page. */
export function successUrl({ id, params }: CheckoutSession): string {
  return params.successUrl.replaceAll("{CHECKOUT_SESSION_ID}", id);
}

function formatAmount(amount: number, currency: string): string {
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

function describe({ type, state, attempts, result }: Delivery): string {
  if (attempts === 0) return `${type}: is being sent`;
  const next = { sending: ", will be sent again", delivered: "", "given up": ", given up" }[state];
  return `${type}: ${result} at attempt ${attempts}${next}`;
}

function descriptionList(rows: readonly (readonly [term: string, text: string | null | undefined])[]): Html {
  return html`<dl>
    ${rows.map(([term, text]) =>
      text
        ? html`<dt>${term}</dt>
            <dd>${text}</dd>`
        : html``,
    )}
  </dl>`;
}

function payForm(cancelUrl: string | null): Html {
  return html`<form method="post">
      <button name="method" value="card">Pay</button>
      <button name="method" value="bank_debit">Pay later, by bank debit</button>
    </form>
    ${cancelLink(cancelUrl)}`;
}

function cancelLink(url: string | null): Html {
  return url === null ? html`` : html`<a href="${url}">Cancel</a>`;
}

function page(title: string, content: Html): string {
  return htmlDocument(
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · FoldForge sandbox</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="/pay/page.css" />
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          <p class="sandbox">
            <strong>This is a sandbox.</strong> It stands in for Stripe, and no money moves.
          </p>
          ${content}
        </main>
      </body>
    </html> `,
  );
}
