interface StripeFetchOptions {
  /** The maximum size of a response, in bytes. */
  readonly maxBytes: number;
  /** Ends the requests. */
  readonly signal: AbortSignal;
}

/** The headers of a response that Stripe's library decides by or reports. It would print the text of `Stripe-Notice`. */
const headerNames = ["request-id", "stripe-should-retry"];

/**
 * Creates a `fetch` for Stripe's library, which trusts what it receives. It follows no redirect and resolves after the
 * body, so that the signal of the request bounds the time of the whole. Rejects a body that is too large or no JSON
 * object: at any other JSON, the library throws where nothing catches it.
 */
export function createStripeFetch({ maxBytes, signal }: StripeFetchOptions): typeof fetch {
  return async function stripeFetch(input, init) {
    const signals = [signal, init?.signal ?? signal];
    const response = await fetch(input, { ...init, redirect: "error", signal: AbortSignal.any(signals) });
    const text = await readText(response, maxBytes);
    if (!isJsonObject(text)) throw new Error(`the response, status ${response.status}, is not a JSON object`);
    const headers = headerNames.flatMap((name): [string, string][] => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    return new Response(text, { status: response.status, headers });
  };
}

async function readText({ body }: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`the response is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
