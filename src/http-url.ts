/** Whether `text` is an http:// or https:// URL without user, query and fragment. */
export function isHttpUrl(text: string): boolean {
  const { protocol = "", username, password, search, hash } = URL.parse(text) ?? {};
  return /^https?:$/.test(protocol) && [username, password, search, hash].every((part) => part === "");
}
