import { signatureOf } from "../support/stripe.ts";
import type { FuzzOperation, Json } from "./contract.ts";
import type { ParameterValues } from "./valid-parts.ts";
import { utf8 } from "./wire-request.ts";
import type { Header, WireRequest } from "./wire-request.ts";

/** The parts of a request before serialization. */
export interface Parts {
  readonly operation: FuzzOperation;
  readonly parameters: ParameterValues;
  readonly body: Json | undefined;
  readonly token: string;
  /** Signs the body of an operation that needs a signature. */
  readonly webhookSecret: string;
  readonly style: Style;
}

/** How a request is serialized. */
export interface Style {
  /** HEAD instead of GET. */
  readonly isHead: boolean;
  readonly isChunked: boolean;
  /** As `application/x-www-form-urlencoded`: a space becomes `+`. */
  readonly isFormEncoded: boolean;
  readonly scheme: "Bearer" | "bearer" | "BEARER";
  readonly contentType: string;
  readonly indent: number;
  readonly more: readonly Header[];
}

/** Serializes a request. `body` is its body instead of that of the parts. */
export function compose(parts: Parts, body: Buffer | undefined = bodyOf(parts)): WireRequest {
  const { operation, style } = parts;
  const canHead = operation.method === "GET" && !operation.responses.get(200)?.content?.["text/event-stream"];
  return {
    method: style.isHead && canHead ? "HEAD" : operation.method,
    target: pathOf(parts) + queryOf(parts),
    version: "HTTP/1.1",
    headers: headersOf(parts, body),
    isChunked: style.isChunked,
    body,
  };
}

function bodyOf({ body, style }: Parts): Buffer | undefined {
  return body === undefined ? undefined : Buffer.from(JSON.stringify(body, null, style.indent));
}

function pathOf({ operation, parameters }: Parts): string {
  return operation.template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const segments = String(parameters[name]).split("/");
    // The key may contain slashes. In any other parameter a slash is encoded.
    return segments.map(encodeURIComponent).join(name === "key" ? "/" : "%2F");
  });
}

function queryOf({ operation, parameters, style }: Parts): string {
  const pairs = operation.parameters
    .filter((parameter) => parameter.in === "query" && Object.hasOwn(parameters, parameter.name))
    .flatMap(({ name }) => [parameters[name] ?? []].flat().map((value): [string, string] => [name, value]));
  return pairs.length === 0 ? "" : `?${encodeQuery(pairs, style.isFormEncoded)}`;
}

/** A query string without its question mark. */
export function encodeQuery(pairs: [string, string][], isFormEncoded: boolean): string {
  if (isFormEncoded) return new URLSearchParams(pairs).toString();
  return pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
}

function headersOf(parts: Parts, body: Buffer | undefined): Header[] {
  const { operation, style, token } = parts;
  const own = operation.parameters.filter((parameter) => parameter.in === "header");
  const parameters = { ...signatureFor(parts, body), ...parts.parameters };
  return [
    ["Host", "gateway"],
    ...(operation.isSecured ? [["Authorization", `${style.scheme} ${token}`] as const] : []),
    ...(body === undefined ? [] : [["Content-Type", style.contentType] as const]),
    ...own.flatMap(({ name }): Header[] => {
      const value = parameters[name];
      return typeof value === "string" ? [[name, utf8(value)]] : [];
    }),
    ...style.more,
  ];
}

/** The signature of a body that needs one. */
function signatureFor({ operation, webhookSecret }: Parts, body: Buffer | undefined): ParameterValues {
  if (!operation.isSigned || body === undefined) return {};
  return { "Stripe-Signature": signatureOf(body.toString(), webhookSecret) };
}
