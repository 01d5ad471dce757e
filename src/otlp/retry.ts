import { fromBinary } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Code } from "@connectrpc/connect";
import type { ConnectError } from "@connectrpc/connect";

/** The backoff before the first retry, in milliseconds. It doubles with each attempt. */
const firstBackoffMs = 500;
const maxBackoffMs = 5000;

/** The codes after which OTLP retries (https://opentelemetry.io/docs/specs/otlp/#failures). */
const retryable: ReadonlySet<Code> = new Set([
  Code.Canceled,
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.OutOfRange,
  Code.Unavailable,
  Code.DataLoss,
]);

/**
 * How long to wait before a failed export is retried, in milliseconds; undefined if it is not. A collector that is
 * overloaded may say how long: `RetryInfo`, without which RESOURCE_EXHAUSTED is final.
 */
export function retryDelayMs(error: ConnectError, attempt: number): number | undefined {
  const requested = requestedDelayMs(error);
  if (!retryable.has(error.code) && !(error.code === Code.ResourceExhausted && requested !== undefined))
    return undefined;
  const backoffMs = Math.min(firstBackoffMs * 2 ** (attempt - 1), maxBackoffMs);
  // Jitter: gateways that have lost a collector at the same time must not return at the same time.
  return requested ?? backoffMs * (0.8 + 0.4 * Math.random());
}

/** The `retry_delay` of a google.rpc.RetryInfo among the details, in milliseconds; undefined if it cannot be read. */
function requestedDelayMs({ details }: ConnectError): number | undefined {
  for (const detail of details) {
    if (!("type" in detail) || detail.type !== "google.rpc.RetryInfo") continue;
    try {
      const reader = new BinaryReader(detail.value);
      const [field, type] = reader.tag();
      if (field !== 1 || type !== WireType.LengthDelimited) return undefined;
      const { seconds, nanos } = fromBinary(DurationSchema, reader.bytes());
      return Math.max(0, Number(seconds) * 1000 + nanos / 1e6);
    } catch {
      return undefined;
    }
  }
  return undefined;
}
