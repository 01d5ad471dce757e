import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { ExportResultCode } from "@opentelemetry/core";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { Channel, callUnary, codeNameOf, defaultKeepalive, resolvedAddress } from "../grpc/index.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { ClosableExporter } from "../telemetry/tracer.ts";
import type { TracingOptions } from "../telemetry/tracing.ts";
import { retryDelayMs } from "./retry.ts";

const path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/** The largest accepted response, in bytes: it has at most a message about rejected spans. */
const readMaxBytes = 64 * 1024;

/**
 * Sends spans by OTLP over gRPC (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc), with the gateway's own transport:
 * it connects again when needed, and pings a collector that is silent during an export. A batch is retried with a backoff
 * until its timeout.
 */
export function createGrpcExporter(
  { url, headers, timeoutMs, compression }: TracingOptions,
  userAgent: string,
  logger: Logger,
): ClosableExporter {
  const channel = new Channel({
    keepalive: defaultKeepalive,
    userAgent,
    // The events of a channel are about orchestrators.
    logger: logger.child({}, { level: "silent" }),
    onLost: () => undefined,
    onKeepaliveRejected: () => undefined,
  });
  // Its name is resolved at each connection.
  channel.update([resolvedAddress(new URL(url))]);
  const closed = new AbortController();
  const inProgress = new Set<Promise<void>>();

  async function send(spans: readonly ReadableSpan[]): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    const plain = ProtobufTraceSerializer.serializeRequest([...spans]) ?? new Uint8Array();
    const isCompressed = compression === "gzip";
    const call = {
      path,
      message: isCompressed ? await promisify(gzip)(plain) : plain,
      encoding: isCompressed ? compression : undefined,
      metadata: headers,
      signal: closed.signal,
      // The collector may get a span twice, but not faster than the backoff allows.
      hasNoSideEffects: false,
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const timeLeft = Math.max(1, deadline - performance.now());
        // The response is an ExportTraceServiceResponse, whose fields nobody reads.
        await callUnary(channel.calls, { ...call, timeoutMs: timeLeft }, EmptySchema, { readMaxBytes });
        return;
      } catch (reason) {
        const error = ConnectError.from(reason);
        const delayMs = retryDelayMs(error, attempt);
        if (delayMs === undefined || performance.now() + delayMs >= deadline) throw error;
        await delay(delayMs, undefined, { ref: false, signal: closed.signal });
      }
    }
  }

  function close(): void {
    closed.abort();
    channel.close();
  }

  return {
    export(spans, done) {
      const sent = send(spans).then(
        () => done({ code: ExportResultCode.SUCCESS }),
        (error: unknown) => done({ code: ExportResultCode.FAILED, error: failureOf(error) }),
      );
      inProgress.add(sent);
      void sent.finally(() => inProgress.delete(sent));
    },
    async shutdown() {
      await Promise.all(inProgress);
      close();
    },
    close,
  };
}

/** An error with the system's code for the loss of the connection, if there is one, or gRPC's. */
function failureOf(error: unknown): Error {
  const { cause } = ConnectError.from(error);
  const systemCode = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const code = typeof systemCode === "string" ? systemCode : codeNameOf(error);
  return Object.assign(new Error("the export failed", { cause: error }), { code });
}
