import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";

/** Metadata as Connect's call options carry it. A plain record is cheapest. */
export type MetadataInit = NonNullable<ConstructorParameters<typeof Headers>[0]>;

/** A gRPC timeout has at most eight digits. */
const timeoutLimit = 1e8;

/** The units of gRPC timeouts in milliseconds, finest first. */
const timeoutUnits = [
  ["m", 1],
  ["S", 1000],
  ["M", 60_000],
] as const;

/**
 * The headers of a gRPC call over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 * `metadata` does not replace the protocol's headers. Without `timeoutMs` the call has no deadline.
 */
export function requestHeaders(
  path: string,
  timeoutMs: number | undefined,
  metadata: MetadataInit | undefined,
): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  if (metadata !== undefined) addMetadata(headers, metadata);
  headers[":method"] = "POST";
  headers[":path"] = path;
  headers["content-type"] = "application/grpc+proto";
  headers["te"] = "trailers";
  if (timeoutMs !== undefined) headers["grpc-timeout"] = grpcTimeout(timeoutMs);
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

/** Adds `metadata` with lower-case names, as HTTP/2 requires (RFC 9113 §8.2). */
function addMetadata(headers: OutgoingHttpHeaders, metadata: MetadataInit): void {
  const entries = Symbol.iterator in metadata ? new Headers(metadata) : Object.entries(metadata);
  for (const [name, value] of entries) headers[name.toLowerCase()] = value;
}

/** Converts blocks of HTTP/2 headers to Headers, without the pseudo-headers. */
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
