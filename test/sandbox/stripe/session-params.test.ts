import assert from "node:assert/strict";
import { parseSessionParams } from "../../../src/sandbox/stripe/session-params.ts";
import { StripeError } from "../../../src/sandbox/stripe/stripe-error.ts";

const item = (price: object = {}, quantity: unknown = "500") => ({
  price_data: { currency: "usd", unit_amount: "1", product_data: { name: "Credits" }, ...price },
  quantity,
});
const minimal = { mode: "payment", line_items: [item()], success_url: "https://example.com/" };

function errorOf(form: unknown): StripeError {
  try {
    parseSessionParams(form);
  } catch (error) {
    assert.ok(error instanceof StripeError, String(error));
    return error;
  }
  return assert.fail("the parameters were accepted");
}

describe("parseSessionParams", () => {
  it("adds up the line items", () => {
    const params = parseSessionParams({ ...minimal, line_items: [item(), item({ currency: "USD" }, "2")] });
    assert.deepEqual(
      [params.amount, params.currency, params.lineItems],
      [
        502,
        "usd",
        [
          { name: "Credits", quantity: 500 },
          { name: "Credits", quantity: 2 },
        ],
      ],
    );
    assert.deepEqual([params.cancelUrl, params.clientReferenceId, params.metadata], [null, null, {}]);
  });

  for (const amount of ["50", "99999999"])
    it(`accepts an amount of ${amount}`, () => {
      const form = { ...minimal, line_items: [item({ unit_amount: amount }, "1")] };
      assert.equal(parseSessionParams(form).amount, Number(amount));
    });

  for (const [what, form, param, code] of [
    ["no form", undefined, "mode", "parameter_missing"],
    ["no line items", { ...minimal, line_items: undefined }, "line_items", "parameter_missing"],
    [
      "a missing part of a line item",
      { ...minimal, line_items: [item(), item({ currency: undefined })] },
      "line_items[1][price_data][currency]",
      "parameter_missing",
    ],
    ["another mode", { ...minimal, mode: "subscription" }, "mode", undefined],
    ["an unknown parameter", { ...minimal, colour: "red" }, "colour", "parameter_unknown"],
    [
      "an unknown currency",
      { ...minimal, line_items: [item({ currency: "abc" })] },
      "line_items[0][price_data][currency]",
      undefined,
    ],
    [
      "two currencies",
      { ...minimal, line_items: [item(), item({ currency: "eur" })] },
      "line_items[1][price_data][currency]",
      undefined,
    ],
    [
      "an amount that is no integer",
      { ...minimal, line_items: [item({ unit_amount: "1.5" })] },
      "line_items[0][price_data][unit_amount]",
      "parameter_invalid_integer",
    ],
    [
      "a quantity of 0",
      { ...minimal, line_items: [item({}, "0")] },
      "line_items[0][quantity]",
      "parameter_invalid_integer",
    ],
    ["less than 50", { ...minimal, line_items: [item({}, "49")] }, "line_items", "amount_too_small"],
    [
      "more than 99999999",
      { ...minimal, line_items: [item({}, "100000000")] },
      "line_items",
      "amount_too_large",
    ],
    ["a relative URL", { ...minimal, success_url: "/paid" }, "success_url", "url_invalid"],
    [
      "a URL that is a script",
      { ...minimal, cancel_url: "javascript:alert(1)" },
      "cancel_url",
      "url_invalid",
    ],
  ] as const)
    it(`rejects ${what}`, () => {
      const { status, fields } = errorOf(form);
      assert.deepEqual(
        [status, fields.type, fields.param, fields.code],
        [400, "invalid_request_error", param, code],
      );
    });
});
