import {
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_RPC_METHOD,
  ATTR_RPC_SYSTEM_NAME,
} from "@opentelemetry/semantic-conventions";
import type { ObserveDownload } from "../artifacts/object-store.ts";
import { serverAddress } from "./server-address.ts";
import type { Tracer } from "./tracer.ts";

/** Whose objects are asked for. */
interface StoreAddress {
  readonly endpoint: string;
  readonly bucket: string;
}

/**
 * Gives each object that is asked of the store a span, which lasts until its last byte
 * (https://opentelemetry.io/docs/specs/semconv/object-stores/s3/).
 */
export function downloadSpans(tracer: Tracer, { endpoint, bucket }: StoreAddress): ObserveDownload {
  const address = serverAddress([endpoint]);
  return function spanDownload(key, parent) {
    const span = tracer.startClientSpan("S3.GetObject", parent, {
      [ATTR_RPC_SYSTEM_NAME]: "aws-api",
      [ATTR_RPC_METHOD]: "S3/GetObject",
      "aws.s3.bucket": bucket,
      "aws.s3.key": key,
      ...address,
    });
    return function endDownload(status, error) {
      span.end({ [ATTR_HTTP_RESPONSE_STATUS_CODE]: status }, errorTypeOf(status, error));
    };
  };
}

/** What failed: the status where it says so, else the code or the class of the error. */
function errorTypeOf(status: number | undefined, error: unknown): string | undefined {
  if (status !== undefined && status >= 400) return String(status);
  if (!(error instanceof Error)) return undefined;
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
