import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { paidSession } from "../support/stripe.ts";
import type { Json } from "./contract.ts";
import { anyJson } from "./schema-values.ts";

/** Events as Stripe sends them: some add credits to `principal`, some do not match what was bought, some are of no interest. */
export function stripeEvents(principal: string): Arbitrary<Json> {
  const credits = fc.integer({ min: 1, max: 99_999_999 }).map((amount) => ({
    amount_total: amount,
    client_reference_id: principal,
    metadata: { principal, credits: String(amount) },
  }));
  const differences = fc.constantFrom<{ [name: string]: Json }>(
    {},
    {},
    { payment_status: "unpaid" },
    { amount_total: 0 },
    { currency: "eur" },
    { client_reference_id: null },
    { livemode: true },
    { metadata: {} },
  );
  const sessions = fc
    .tuple(credits, differences)
    .map(([own, different]) => paidSession({ ...own, ...different }) as Json);
  return fc.record({
    id: fc.constantFrom("evt_1", "evt_2"),
    type: fc.oneof(
      fc.constantFrom("checkout.session.completed", "checkout.session.async_payment_succeeded"),
      fc.string(),
    ),
    livemode: fc.nat(9).map((draw) => draw === 9),
    data: fc.record({ object: fc.oneof({ arbitrary: sessions, weight: 3 }, anyJson) }),
  });
}
