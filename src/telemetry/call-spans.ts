import type { DescMethod } from "@bufbuild/protobuf";
import {
  ATTR_RPC_METHOD,
  ATTR_RPC_STATUS_CODE,
  ATTR_RPC_SYSTEM_NAME,
  RPC_SYSTEM_NAME_VALUE_GRPC,
} from "@opentelemetry/semantic-conventions";
import { serverAddress } from "./server-address.ts";
import type { TraceContext } from "./trace-context.ts";
import type { Tracer } from "./tracer.ts";

/** Starts the span of a gRPC call; `parent` is the span of the request. The caller ends it once. */
export type StartCallSpan = (
  method: DescMethod,
  parent: TraceContext | undefined,
) => {
  readonly trace: TraceContext;
  /** `code` is the canonical name of a gRPC code. */
  ended(code: string): void;
};

/** Creates the spans of gRPC calls (https://opentelemetry.io/docs/specs/semconv/rpc/grpc/). */
export function callSpans(tracer: Tracer, endpoints: readonly string[]): StartCallSpan {
  const address = serverAddress(endpoints);
  return function startCallSpan({ parent: service, name }, parent) {
    const method = `${service.typeName}/${name}`;
    const span = tracer.startClientSpan(method, parent, {
      [ATTR_RPC_SYSTEM_NAME]: RPC_SYSTEM_NAME_VALUE_GRPC,
      [ATTR_RPC_METHOD]: method,
      ...address,
    });
    return {
      trace: span.trace,
      ended: (code) => span.end({ [ATTR_RPC_STATUS_CODE]: code }, isFailure(code) ? code : undefined),
    };
  };
}

/** CANCELLED is a call that the gateway itself has cancelled. */
function isFailure(code: string): boolean {
  return code !== "OK" && code !== "CANCELLED";
}
