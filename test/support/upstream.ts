import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { startOrchestratorServer } from "../../src/sandbox/orchestrator-server.ts";

/** The RPCs of an upstream; a missing one is Unimplemented. Tests may replace them at any time. */
export type UpstreamRpcs = Partial<ServiceImpl<typeof OrchestratorService>>;

/** One call that reached the upstream. */
export interface UpstreamCall {
  readonly rpc: string;
  readonly metadata: Headers;
}

/** An orchestrator whose responses the test writes: real gRPC over TCP. */
export interface Upstream {
  readonly url: string;
  readonly rpcs: UpstreamRpcs;
  readonly calls: readonly UpstreamCall[];
  /** Breaks every connection; new ones are accepted. */
  dropConnections(): void;
  close(): Promise<void>;
}

/** Starts it on `port`, a free one by default. */
export async function startUpstream(
  rpcs: UpstreamRpcs = {},
  port = 0,
  host = "127.0.0.1",
): Promise<Upstream> {
  const calls: UpstreamCall[] = [];
  const current: UpstreamRpcs = { ...rpcs };
  const dispatch = new Proxy(current, {
    get: (target, name: keyof UpstreamRpcs) => (request: never, context: HandlerContext) => {
      const implementation = target[name] as
        | ((request: never, context: HandlerContext) => unknown)
        | undefined;
      if (implementation === undefined) throw new Error(`the test gives no ${name}`);
      return implementation(request, context);
    },
  });
  const server = await startOrchestratorServer(
    dispatch,
    (next) => (request) => {
      calls.push({ rpc: request.method.name, metadata: request.header });
      return next(request);
    },
    { host, port },
  );
  return {
    url: server.url,
    rpcs: current,
    calls,
    dropConnections: server.dropConnections,
    close: server.close,
  };
}
