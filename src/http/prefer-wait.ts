/** The maximum wait, in seconds: proxies time out slower responses. */
const maxSeconds = 60;

/** A quoted string (RFC 9110 §5.6.4), which may contain commas; an unterminated one extends to the end. */
const quotedString = /"(?:[^"\\]|\\[^]?)*(?:"|$)/g;

/** `wait` in seconds (RFC 7240 §4.3), with parameters, which have no meaning. */
const waitPattern = /^\s*wait\s*=\s*(?:(\d+)|"(\d+)")\s*(?:;|$)/i;

/**
 * The `wait` preference of a `Prefer` header in seconds, at most 60; undefined without one. Malformed preferences are
 * ignored, and the first of repeated ones counts (RFC 7240 §2).
 */
export function waitPreference(header: string | undefined): number | undefined {
  const preferences = header?.replace(quotedString, (text) => text.replaceAll(",", "")).split(",");
  const first = preferences?.find((text) => /^\s*wait\s*(?:[=;]|$)/i.test(text));
  const [, plain, quoted] = waitPattern.exec(first ?? "") ?? [];
  const seconds = plain ?? quoted;
  return seconds === undefined ? undefined : Math.min(Number(seconds), maxSeconds);
}
