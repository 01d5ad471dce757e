import {
  ATTR_RPC_METHOD,
  ATTR_RPC_STATUS_CODE,
  ATTR_RPC_SYSTEM_NAME,
  RPC_SYSTEM_NAME_VALUE_GRPC,
} from "@opentelemetry/semantic-conventions";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { MetadataInit } from "../grpc/request-headers.ts";
import type { ObserveCall } from "../orchestrator/observed-client.ts";
import { parentContextFrom, traceparentOf } from "./trace-context.ts";
import { serverAddress } from "./server-address.ts";
import type { Tracer } from "./tracer.ts";

/**
 * Gives each call to the orchestrators a span under the one that its `traceparent` names, and names that span to the
 * orchestrator (https://opentelemetry.io/docs/specs/semconv/rpc/grpc/). What this side gives up is no failure.
 */
export function callSpans(tracer: Tracer, endpoints: readonly string[]): ObserveCall {
  const address = serverAddress(endpoints);
  return function spanCall(rpc, options) {
    const metadata = new Headers(options?.headers as MetadataInit | undefined);
    const parent = parentContextFrom(
      metadata.get("traceparent") ?? undefined,
      metadata.get("tracestate") ?? undefined,
    );
    const method = `${OrchestratorService.typeName}/${rpc}`;
    const span = tracer.startClientSpan(method, parent, {
      [ATTR_RPC_SYSTEM_NAME]: RPC_SYSTEM_NAME_VALUE_GRPC,
      [ATTR_RPC_METHOD]: method,
      ...address,
    });
    metadata.set("traceparent", traceparentOf(span.trace));
    return {
      options: { ...options, headers: metadata },
      end: (code) => span.end({ [ATTR_RPC_STATUS_CODE]: code }, isFailure(code) ? code : undefined),
    };
  };
}

/** Where the server cancels a call it was lost, which is UNAVAILABLE. */
function isFailure(code: string): boolean {
  return code !== "OK" && code !== "CANCELLED";
}
