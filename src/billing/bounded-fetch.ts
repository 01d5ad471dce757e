/**
 * Creates a `fetch` that follows no redirect and reads at most `maxBytes` of a response. Its promise settles after the
 * body, so that the signal of the request bounds the time of the whole.
 */
export function createBoundedFetch(maxBytes: number): typeof fetch {
  return async function boundedFetch(input, init) {
    const { status, headers, body } = await fetch(input, { ...init, redirect: "error" });
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > maxBytes) throw new Error(`the response is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return new Response(Buffer.concat(chunks), { status, headers });
  };
}
