import { z } from "zod";
import { parameterError, type StripeError } from "./stripe-error.ts";

/** What a client asks for: the part of https://docs.stripe.com/api/checkout/sessions/create that a payment needs. */
export interface SessionParams {
  readonly lineItems: readonly LineItem[];
  /** Of every line item, in lower case. */
  readonly currency: string;
  /** In minor units of the currency. */
  readonly amount: number;
  readonly successUrl: string;
  readonly cancelUrl: string | null;
  readonly clientReferenceId: string | null;
  readonly metadata: Readonly<Record<string, string>>;
}

interface LineItem {
  readonly name: string;
  readonly quantity: number;
}

/** The smallest and the largest amount of a payment, in minor units: https://docs.stripe.com/currencies. */
const minAmount = 50;
const maxAmount = 99_999_999;

const currencies = new Set(Intl.supportedValuesOf("currency").map((code) => code.toLowerCase()));

const integer = z
  .string()
  .regex(/^\d{1,12}$/, "must be an integer")
  .transform(Number);
/** Of http and https only: the page links to it. */
export const webUrl = z.url({ protocol: /^https?$/, error: "Not a valid URL" }).max(5000);
const currency = z
  .string()
  .toLowerCase()
  .refine((code) => currencies.has(code), "is not a currency");

const lineItem = z.strictObject({
  price_data: z.strictObject({
    currency,
    unit_amount: integer,
    product_data: z.strictObject({
      name: z.string().min(1).max(250),
      description: z.string().min(1).max(500).optional(),
    }),
  }),
  quantity: integer.pipe(z.int().positive()),
});

const schema = z.strictObject({
  mode: z.literal("payment"),
  line_items: z.array(lineItem).min(1).max(20),
  success_url: webUrl,
  cancel_url: webUrl.optional(),
  client_reference_id: z.string().min(1).max(200).optional(),
  metadata: z
    .record(z.string().max(40), z.string().max(500))
    .refine((values) => Object.keys(values).length <= 50, "has more than 50 keys")
    .prefault({}),
});

/** Parses the parameters of a new session; throws a StripeError. */
export function parseSessionParams(form: unknown): SessionParams {
  const data = parseForm(schema, form);
  const prices = data.line_items.map(({ price_data }) => price_data);
  const [first] = prices;
  const other = prices.findIndex((price) => price.currency !== first?.currency);
  if (first === undefined || other !== -1)
    throw parameterError(
      `line_items[${other}][price_data][currency]`,
      "All line items must have the same currency.",
    );
  const amount = data.line_items.reduce(
    (sum, { price_data, quantity }) => sum + price_data.unit_amount * quantity,
    0,
  );
  if (amount < minAmount)
    throw parameterError(
      "line_items",
      `The amount must be at least ${minAmount} minor units of ${first.currency}.`,
      "amount_too_small",
    );
  if (amount > maxAmount)
    throw parameterError(
      "line_items",
      `The amount must be at most ${maxAmount} minor units of ${first.currency}.`,
      "amount_too_large",
    );
  return {
    lineItems: data.line_items.map(({ price_data, quantity }) => ({
      name: price_data.product_data.name,
      quantity,
    })),
    currency: first.currency,
    amount,
    successUrl: data.success_url,
    cancelUrl: data.cancel_url ?? null,
    clientReferenceId: data.client_reference_id ?? null,
    metadata: data.metadata,
  };
}

/** Parses the parameters of a request; throws a StripeError for the first that is wrong. */
export function parseForm<T>(schema: z.ZodType<T>, form: unknown): T {
  const { data, error } = schema.safeParse(form ?? {}, { reportInput: true });
  if (data !== undefined) return data;
  const [issue] = error?.issues ?? [];
  throw issue === undefined ? new Error("there is no value and no issue") : errorFromIssue(issue);
}

/** The code for a value that is not valid, by the name of its parameter. */
const codes: Readonly<Record<string, string>> = {
  quantity: "parameter_invalid_integer",
  unit_amount: "parameter_invalid_integer",
  success_url: "url_invalid",
  cancel_url: "url_invalid",
  url: "url_invalid",
};

function errorFromIssue(issue: z.core.$ZodIssue): StripeError {
  if (issue.code === "unrecognized_keys") {
    const param = nameFromPath([...issue.path, ...issue.keys.slice(0, 1)]);
    return parameterError(param, `Received unknown parameter: ${param}`, "parameter_unknown");
  }
  const param = nameFromPath(issue.path);
  if (issue.input === undefined)
    return parameterError(param, `Missing required param: ${param}.`, "parameter_missing");
  return parameterError(param, `Invalid ${param}: ${issue.message}`, codes[String(issue.path.at(-1))]);
}

/** Such as `line_items[0][quantity]`. */
function nameFromPath([first = "", ...rest]: readonly PropertyKey[]): string {
  return String(first) + rest.map((key) => `[${String(key)}]`).join("");
}
