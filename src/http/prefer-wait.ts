/** Longest wait, in seconds: proxies give up on answers that take longer. */
const maxSeconds = 60;

/** Quoted text (RFC 9110 §5.6.4), which may hold what separates preferences; up to the end where it is not closed. */
const quotedText = /"(?:[^"\\]|\\[^]?)*(?:"|$)/g;

/** `wait`, with a number of seconds (RFC 7240 §4.3) and parameters that mean nothing. */
const waitPattern = /^\s*wait\s*=\s*(?:(\d+)|"(\d+)")\s*(?:;|$)/i;

/**
 * For how many seconds a `Prefer` header asks to wait, at most 60; undefined where it does not. A preference that
 * cannot be honoured is passed over, and of one that is repeated the first counts (RFC 7240 §2).
 */
export function waitPreference(header: string | undefined): number | undefined {
  const preferences = header?.replace(quotedText, (text) => text.replaceAll(",", "")).split(",");
  const first = preferences?.find((text) => /^\s*wait\s*(?:[=;]|$)/i.test(text));
  const [, plain, quoted] = waitPattern.exec(first ?? "") ?? [];
  const seconds = plain ?? quoted;
  return seconds === undefined ? undefined : Math.min(Number(seconds), maxSeconds);
}
