import type { HeaderFields } from "./http2/index.ts";

/** Metadata as Connect's call options carry it. A plain record is cheapest. */
export type MetadataInit = NonNullable<ConstructorParameters<typeof Headers>[0]>;

/** How a request's message may be compressed, as `grpc-encoding` names it. */
export type MessageEncoding = "gzip";

/** A gRPC timeout has at most eight digits. */
const timeoutLimit = 1e8;

/** The units of gRPC timeouts in milliseconds, finest first. */
const timeoutUnits = [
  ["m", 1],
  ["S", 1000],
  ["M", 60_000],
] as const;

/**
 * The headers that all gRPC calls to an endpoint have (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md),
 * without the path.
 */
export function connectionHeaders({ protocol, host }: URL, userAgent?: string): HeaderFields {
  return {
    ":method": "POST",
    ":scheme": protocol.slice(0, -1),
    ":authority": host,
    "content-type": "application/grpc+proto",
    te: "trailers",
    ...(userAgent === undefined ? {} : { "user-agent": userAgent }),
  };
}

/** Names that metadata cannot have: the protocol's own headers. */
const reserved = new Set(["content-type", "te", "user-agent", "grpc-timeout", "grpc-encoding"]);

/** The other headers of a call. `metadata` does not replace the protocol's. Without `timeoutMs` there is no deadline. */
export function requestHeaders(
  timeoutMs: number | undefined,
  metadata: MetadataInit | undefined,
  encoding?: MessageEncoding,
): HeaderFields {
  const headers: Record<string, string> = {};
  if (encoding !== undefined) headers["grpc-encoding"] = encoding;
  if (timeoutMs !== undefined) headers["grpc-timeout"] = grpcTimeout(timeoutMs);
  if (metadata === undefined) return headers;
  const entries = Symbol.iterator in metadata ? new Headers(metadata) : Object.entries(metadata);
  // HTTP/2 requires lower-case names (RFC 9113 §8.2).
  for (const [name, value] of entries) {
    const lowerCase = name.toLowerCase();
    if (value !== undefined && !reserved.has(lowerCase) && !lowerCase.startsWith(":"))
      headers[lowerCase] = value;
  }
  return headers;
}

/** A timeout as gRPC writes it: at most eight digits and a unit, rounded up. */
export function grpcTimeout(timeoutMs: number): string {
  for (const [unit, size] of timeoutUnits) {
    const count = Math.ceil(timeoutMs / size);
    if (count < timeoutLimit) return `${count}${unit}`;
  }
  return `${Math.min(timeoutLimit - 1, Math.ceil(timeoutMs / 3_600_000))}H`;
}

/** Converts headers or trailers to Headers. */
export function headersFrom(...blocks: readonly (HeaderFields | undefined)[]): Headers {
  const headers = new Headers();
  for (const block of blocks)
    for (const [name, value] of Object.entries(block ?? {})) headers.append(name, value);
  return headers;
}
