import {
  ATTR_RPC_METHOD,
  ATTR_RPC_STATUS_CODE,
  ATTR_RPC_SYSTEM_NAME,
  RPC_SYSTEM_NAME_VALUE_GRPC,
} from "@opentelemetry/semantic-conventions";
import type { StartCallSpan } from "../orchestrator/call-observers.ts";
import { serverAddress } from "./server-address.ts";
import type { Tracer } from "./tracer.ts";

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

/** CANCELLED is a call that this side has given up, which is no failure. */
function isFailure(code: string): boolean {
  return code !== "OK" && code !== "CANCELLED";
}
