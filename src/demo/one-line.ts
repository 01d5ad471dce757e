/** Text of the gateway for a terminal: on one line, without control characters. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}
