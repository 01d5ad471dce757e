import createClient from "openapi-fetch";
import type { Client } from "openapi-fetch";
import type { components, paths } from "../../generated/openapi/gateway.v1.ts";
import { Failure } from "./failure.ts";

/** The JSON shapes of the contract, by schema name. */
export type Schema = components["schemas"];

/** A client of the gateway, with the paths, parameters and responses of the contract. */
export interface GatewayClient extends Client<paths> {
  /** Requests the file of an artifact by its `href`. */
  getFile(href: string): Promise<Response>;
}

/**
 * Calls the gateway at `address`, such as `localhost:8080` or `https://foldforge.example`, with `apiKey` as the bearer
 * token. A request rejects with a Failure unless the gateway responds with success.
 */
export function createGatewayClient(address: string, apiKey: string): GatewayClient {
  const url = urlFrom(address);
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw new Failure("an API key has visible ASCII characters only: set FOLDFORGE_API_KEY to yours");
  const headers = { Authorization: `Bearer ${apiKey}` };

  async function send(request: Request): Promise<Response> {
    const response = await fetch(request).catch((error: unknown) => {
      throw noResponse(url, error);
    });
    if (!response.ok) throw await failureFrom(url, response);
    return response;
  }

  const api = createClient<paths>({
    baseUrl: url,
    headers,
    fetch: async (request) => requireContent(url, await send(request)),
  });
  return { ...api, getFile: (href) => send(new Request(url + href, { headers })) };
}

/** The data of a successful response. */
export function dataOf<Data>({ data }: { readonly data?: Data }): NonNullable<Data> {
  if (data === undefined || data === null) throw new Failure("the gateway responds without content");
  return data;
}

/** The URL of an address, without a slash at its end. One without a scheme is for HTTP, as it is for curl. */
function urlFrom(address: string): string {
  const url = address.includes("://") ? address : `http://${address}`;
  if (/^https?:/i.test(url) && URL.canParse(url)) return url.replace(/\/+$/, "");
  throw new Failure(`${address} is not a URL such as http://127.0.0.1:8080: set FOLDFORGE_URL to one`);
}

function noResponse(url: string, error: unknown): Failure {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  const { name, code, message } = Object(cause) as NodeJS.ErrnoException;
  if (name === "HTTPParserError") return notGateway(url, "something other than HTTP");
  // The common reason needs no explanation.
  const reason = code === "ECONNREFUSED" ? "" : ` (${code ?? message})`;
  return new Failure(
    `no gateway responds at ${url}${reason}: run \`make dev\` in another terminal, or set FOLDFORGE_URL`,
    { cause: error, retryable: true },
  );
}

function notGateway(url: string, response: string): Failure {
  return new Failure(`${url} is not a FoldForge gateway, it responds with ${response}: set FOLDFORGE_URL`);
}

/** Rejects unless the response has content of the contract: an event stream, or JSON that is whole. */
async function requireContent(url: string, response: Response): Promise<Response> {
  const { status, headers } = response;
  const mediaType = mediaTypeOf(response);
  if (status === 204 || mediaType === "text/event-stream") return response;
  if (mediaType !== "application/json") throw notGateway(url, `${status} ${mediaType}`.trimEnd());
  try {
    return Response.json(await response.json(), { status, headers });
  } catch (cause) {
    throw new Failure("the response broke", { cause, retryable: true });
  }
}

function mediaTypeOf({ headers }: Response): string {
  return /^[^;\s]*/.exec(headers.get("Content-Type") ?? "")?.[0] ?? "";
}

/** The statuses of a proxy that cannot reach the gateway. */
const proxyStatuses: readonly number[] = [502, 503, 504];

async function failureFrom(url: string, response: Response): Promise<Failure> {
  const { status, headers } = response;
  const body: unknown = await response.json().catch(() => undefined);
  const seconds = Number.parseInt(headers.get("Retry-After") ?? "");
  const retryAfterMs = Number.isNaN(seconds) ? undefined : seconds * 1000;
  if (isErrorBody(body)) {
    const { code, message, details, retryable } = body;
    const text =
      status === 401
        ? "the gateway does not know the API key (401 UNAUTHENTICATED): set FOLDFORGE_API_KEY to yours"
        : `the gateway responds with ${status} ${code}: ${message}`;
    return new Failure(text, { code, details, retryable, retryAfterMs });
  }
  if (proxyStatuses.includes(status))
    return new Failure(`the gateway responds with ${status}`, { retryable: true, retryAfterMs });
  return notGateway(url, `${status} ${mediaTypeOf(response)}`.trimEnd());
}

function isErrorBody(body: unknown): body is Schema["Error"] {
  const { code, message, details = [] } = Object(body) as Record<string, unknown>;
  return typeof code === "string" && typeof message === "string" && Array.isArray(details);
}
