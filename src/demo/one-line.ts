/** A text of the gateway as it may be shown on a terminal: on one line, without control characters. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}
