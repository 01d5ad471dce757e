import createClient from "openapi-fetch";
import type { Client } from "openapi-fetch";
import type { components, paths } from "../../generated/openapi/gateway.v1.ts";
import { Failure } from "./failure.ts";

/** The JSON shapes of the contract, by schema name. */
export type Schema = components["schemas"];

/** A client of the gateway: its paths, parameters and answers are those of the contract. */
export type GatewayClient = Client<paths>;

/** Builds a client that presents `apiKey` with every request. A request that nobody answers is a Failure. */
export function createGatewayClient(url: string, apiKey: string): GatewayClient {
  if (!URL.canParse(url)) throw new Failure(`${url} is not a URL such as http://127.0.0.1:8080`);
  return createClient<paths>({
    baseUrl: url,
    headers: { Authorization: `Bearer ${apiKey}` },
    pathSerializer: pathFrom,
    fetch: (request) =>
      fetch(request).catch((cause: unknown) => {
        const message = `no gateway answers at ${url}: run \`make dev\` in another terminal, or set FOLDFORGE_URL`;
        throw new Failure(message, { cause, retryable: true });
      }),
  });
}

/** Fills a path template. The slashes of an artifact's key stay slashes; the library would encode them. */
function pathFrom(template: string, params: Readonly<Record<string, unknown>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) =>
    String(params[name]).split("/").map(encodeURIComponent).join("/"),
  );
}

/** What a call has brought: data, or an error. */
interface Answer<Data> {
  readonly data?: Data;
  readonly error?: unknown;
  readonly response: Response;
}

/** The data of an answer; throws a Failure when it is an error. */
export function dataOf<Data>({ data, error, response }: Answer<Data>): NonNullable<Data> {
  if (data === undefined || data === null) throw refusal(response, error);
  return data;
}

function refusal(response: Response, body: unknown): Failure {
  // What stands between client and gateway may answer with anything.
  const { code, message, retryable = false } = Object(body) as Partial<Schema["Error"]>;
  const words = ["the gateway answers", response.status, code, message].filter((word) => word !== undefined);
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "");
  return new Failure(words.join(" "), {
    retryable,
    retryAfterMs: Number.isNaN(seconds) ? undefined : seconds * 1000,
  });
}
