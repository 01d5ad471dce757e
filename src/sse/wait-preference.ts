/** Longest wait, in seconds: proxies give up on answers that take longer. */
const maxSeconds = 60;

/** A preference with its value and its parameters, up to the comma (RFC 7240 §2): quoted text may hold commas. */
const preference = /(?:"(?:[^"\\]|\\.)*"|[^,"])+/g;

/** `wait`, with a number of seconds (RFC 7240 §4.3) and parameters that mean nothing. */
const waitPattern = /^\s*wait\s*=\s*(?:(\d+)|"(\d+)")\s*(?:;|$)/i;

/**
 * For how many seconds a `Prefer` header asks to wait, at most 60; undefined where it does not. A preference that
 * cannot be honoured is passed over, and of one that is repeated the first counts (RFC 7240 §2).
 */
export function waitPreference(header: string | undefined): number | undefined {
  const first = header?.match(preference)?.find((text) => /^\s*wait\s*(?:[=;]|$)/i.test(text));
  const [, plain, quoted] = waitPattern.exec(first ?? "") ?? [];
  const seconds = plain ?? quoted;
  return seconds === undefined ? undefined : Math.min(Number(seconds), maxSeconds);
}
