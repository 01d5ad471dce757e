import createClient from "openapi-fetch";
import type { Client } from "openapi-fetch";
import type { components, paths } from "../../generated/openapi/gateway.v1.ts";
import { Failure } from "./failure.ts";

/** The JSON shapes of the contract, by schema name. */
export type Schema = components["schemas"];

/** A client of the gateway, with the paths, parameters and responses of the contract. */
export type GatewayClient = Client<paths>;

/** Every request has `apiKey` as its bearer token. A request without a response rejects with a Failure. */
export function createGatewayClient(url: string, apiKey: string): GatewayClient {
  if (!URL.canParse(url)) throw new Failure(`${url} is not a URL such as http://127.0.0.1:8080`);
  return createClient<paths>({
    baseUrl: url,
    headers: { Authorization: `Bearer ${apiKey}` },
    pathSerializer: pathFrom,
    fetch: (request) =>
      fetch(request).catch((cause: unknown) => {
        const message = `no gateway responds at ${url}: run \`make dev\` in another terminal, or set FOLDFORGE_URL`;
        throw new Failure(message, { cause, retryable: true });
      }),
  });
}

/** Fills a path template. The slashes of an artifact's key remain; the library would encode them. */
function pathFrom(template: string, params: Readonly<Record<string, unknown>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) =>
    String(params[name]).split("/").map(encodeURIComponent).join("/"),
  );
}

/** The result of a request: data, or an error. */
interface Result<Data> {
  readonly data?: Data;
  readonly error?: unknown;
  readonly response: Response;
}

/** The data of a result; throws a Failure for an error. */
export function dataOf<Data>({ data, error, response }: Result<Data>): NonNullable<Data> {
  if (data === undefined || data === null) throw failureFrom(response, error);
  return data;
}

function failureFrom(response: Response, body: unknown): Failure {
  // A proxy between client and gateway may respond with any body.
  const { code, message, retryable = false } = Object(body) as Partial<Schema["Error"]>;
  const words = ["the gateway responds with", response.status, code, message].filter(
    (word) => word !== undefined,
  );
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "");
  return new Failure(words.join(" "), {
    retryable,
    retryAfterMs: Number.isNaN(seconds) ? undefined : seconds * 1000,
  });
}
