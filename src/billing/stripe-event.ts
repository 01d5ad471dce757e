import { z } from "zod";

/** A Checkout session that the gateway has created and a customer has paid. */
export interface PaidSession {
  readonly id: string;
  readonly principal: string;
  readonly credits: number;
}

/** What an event of Stripe means for credits. `rejected` is a payment that does not match what the gateway sells. */
export type StripeEvent =
  | { readonly kind: "paid"; readonly session: PaidSession }
  | { readonly kind: "ignored"; readonly type: string }
  | { readonly kind: "rejected"; readonly sessionId: string; readonly reason: string };

/** What this gateway sells. */
export interface Offer {
  /** Whether payments are real. Those of the other mode are rejected. */
  readonly isLive: boolean;
  /** ISO 4217, in lower case. */
  readonly currency: string;
}

const eventSchema = z.object({
  type: z.string(),
  livemode: z.boolean(),
  data: z.object({ object: z.unknown() }),
});

/** The events that may report a payment: methods such as bank transfers report it later. */
const completed = "checkout.session.completed";
const paidLater = "checkout.session.async_payment_succeeded";

/** A session of any program that uses the account. */
const anySession = z.object({
  id: z.string().regex(/^\w{1,255}$/),
  payment_status: z.string(),
  metadata: z.record(z.string(), z.string()).nullish(),
});

/** A session that the gateway has created. */
const ownSession = z.object({
  livemode: z.boolean().optional(),
  amount_total: z.int(),
  currency: z.string(),
  client_reference_id: z.string(),
  metadata: z.object({
    principal: z.string().min(1),
    credits: z.string().regex(/^[1-9]\d{0,7}$/),
  }),
});

/** Reads a verified event. Returns undefined for bytes that are no event. */
export function readStripeEvent(bytes: Uint8Array, offer: Offer): StripeEvent | undefined {
  const { data: event } = eventSchema.safeParse(jsonFrom(bytes));
  if (event === undefined) return undefined;
  const { type, livemode, data } = event;
  const ignored = { kind: "ignored", type: type.slice(0, 64) } as const;
  if (type !== completed && type !== paidLater) return ignored;
  const { data: session } = anySession.safeParse(data.object);
  const { principal, credits } = session?.metadata ?? {};
  if (session === undefined || (principal === undefined && credits === undefined)) return ignored;
  if (type === completed && session.payment_status !== "paid") return ignored;
  if (livemode !== offer.isLive)
    return { kind: "rejected", sessionId: session.id, reason: "the event has another mode" };
  return paymentFrom(session.id, data.object, offer);
}

/** What a paid session with our metadata means. It may have been created by another program or for another price. */
function paymentFrom(id: string, object: unknown, { isLive, currency }: Offer): StripeEvent {
  const rejected = (reason: string) => ({ kind: "rejected", sessionId: id, reason }) as const;
  const { data: session } = ownSession.safeParse(object);
  if (session === undefined) return rejected("the session is not one that this gateway creates");
  const { principal } = session.metadata;
  const credits = Number(session.metadata.credits);
  if ((session.livemode ?? isLive) !== isLive) return rejected("the session has another mode");
  if (session.client_reference_id !== principal) return rejected("the session names two principals");
  if (session.amount_total !== credits) return rejected("the amount is not the price of the credits");
  if (session.currency.toLowerCase() !== currency) return rejected("the session has another currency");
  return { kind: "paid", session: { id, principal, credits } };
}

function jsonFrom(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
