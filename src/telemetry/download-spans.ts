import {
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_RPC_METHOD,
  ATTR_RPC_SYSTEM_NAME,
} from "@opentelemetry/semantic-conventions";
import { serverAddress } from "./server-address.ts";
import type { TraceContext } from "./trace-context.ts";
import type { Tracer } from "./tracer.ts";

/**
 * Called when a request for an object starts. The function that it returns is called once, at the end of the body or of
 * the request: with the status of the response, if there was one, and with the error; null when there was none or the
 * client left.
 */
export type ObserveDownload = (
  key: string,
  trace: TraceContext | undefined,
) => (status: number | undefined, error: unknown) => void;

/**
 * Creates the spans of requests to the object store, which end with the last byte
 * (https://opentelemetry.io/docs/specs/semconv/object-stores/s3/).
 */
export function downloadSpans(
  tracer: Tracer,
  { endpoint, bucket }: { readonly endpoint: string; readonly bucket: string },
): ObserveDownload {
  const address = serverAddress([endpoint]);
  return function startDownloadSpan(key, parent) {
    const span = tracer.startClientSpan("S3.GetObject", parent, {
      [ATTR_RPC_SYSTEM_NAME]: "aws-api",
      [ATTR_RPC_METHOD]: "S3/GetObject",
      "aws.s3.bucket": bucket,
      "aws.s3.key": key,
      ...address,
    });
    return function endDownloadSpan(status, error) {
      span.end({ [ATTR_HTTP_RESPONSE_STATUS_CODE]: status }, errorTypeOf(status, error));
    };
  };
}

/** The status of an error response, else the code or the class of the error. */
function errorTypeOf(status: number | undefined, error: unknown): string | undefined {
  if (status !== undefined && status >= 400) return String(status);
  if (!(error instanceof Error)) return undefined;
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
