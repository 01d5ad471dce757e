import type { Violation } from "../errors/http-error.ts";

/**
 * The violations of the URLs that Stripe sends the customer to, beyond the contract's pattern. With `origins`, they must
 * have one of these; a page of somebody else would look like a step of the payment.
 */
export function returnUrlViolations(
  urls: Readonly<Record<"success_url" | "cancel_url", string>>,
  origins: readonly string[] | undefined,
): Violation[] {
  return Object.entries(urls).flatMap(([name, text]) => {
    const message = returnUrlViolation(text, origins);
    return message === undefined ? [] : [{ path: `/body/${name}`, message }];
  });
}

function returnUrlViolation(text: string, origins: readonly string[] | undefined): string | undefined {
  const url = URL.parse(text);
  if (url === null) return "must be a URL";
  if (url.username !== "" || url.password !== "") return "must not have a user or a password";
  if (origins !== undefined && !origins.includes(url.origin))
    return `must have one of these origins: ${origins.join(", ")}`;
  return undefined;
}
