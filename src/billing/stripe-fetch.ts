import { once } from "node:events";
import http from "node:http";
import type { IncomingMessage } from "node:http";
import https from "node:https";

interface StripeFetchOptions {
  /** The maximum size of a response, in bytes. */
  readonly maxBytes: number;
  /** Ends the requests. */
  readonly signal: AbortSignal;
}

/** The options that Stripe's library calls `fetch` with. */
interface StripeRequest {
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** Aborts at the library's timeout. */
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
  async function stripeFetch(url: string, request: StripeRequest): Promise<Response> {
    const response = await send(url, { ...request, signal: AbortSignal.any([signal, request.signal]) });
    const { statusCode: status = 0, headers } = response;
    const text = await readText(response, maxBytes);
    if (!isJsonObject(text)) throw new Error(`the response, status ${status}, is not a JSON object`);
    const kept = headerNames.map((name) => [name, String(headers[name])] as [string, string]);
    return new Response(text, { status, headers: kept.filter(([name]) => headers[name] !== undefined) });
  }
  // The library wants all of `fetch`, and uses this much.
  return stripeFetch as typeof fetch;
}

/** Resolves to the response. `signal` also closes a socket that is still connecting, which that of `fetch` does not. */
async function send(url: string, { method, headers, body, signal }: StripeRequest): Promise<IncomingMessage> {
  signal.throwIfAborted();
  const { request } = url.startsWith("http:") ? http : https;
  const req = request(url, { method, headers: Object.fromEntries(headers), signal });
  // After the response, its reader gets the error, too.
  req.on("error", () => undefined);
  req.end(body);
  const [response] = (await once(req, "response", { signal })) as [IncomingMessage];
  return response;
}

async function readText(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
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
