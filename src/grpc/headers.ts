import type { IncomingHttpHeaders } from "node:http2";

/** Received HTTP/2 headers, of one or more blocks, as Connect shows them: without the pseudo-headers. */
export function headersFrom(...blocks: readonly (IncomingHttpHeaders | undefined)[]): Headers {
  const headers = new Headers();
  for (const block of blocks) {
    for (const [name, value] of Object.entries(block ?? {})) {
      if (name.startsWith(":") || value === undefined) continue;
      for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
    }
  }
  return headers;
}
