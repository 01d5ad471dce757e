import { Code, ConnectError } from "@connectrpc/connect";
import type { HandlerContext } from "@connectrpc/connect";
import { whenAborted, deferred } from "./stack.ts";
import type { Upstream, UpstreamRpcs } from "./upstream.ts";

/** An RPC that does not respond before it is cancelled. */
export interface HangingRpc {
  /** Resolves to the metadata of the first call. */
  readonly started: Promise<Headers>;
  /** Resolves once a call was cancelled, or its deadline has passed. */
  readonly cancelled: Promise<void>;
}

/** Makes `rpc` of `upstream` hang; `whenCalled` is called for each call. */
export function hang(
  upstream: Upstream,
  rpc: keyof UpstreamRpcs,
  whenCalled: () => void = () => undefined,
): HangingRpc {
  const begun = deferred<Headers>();
  const cancelled = deferred();

  async function wait(_request: unknown, context: HandlerContext): Promise<never> {
    begun.resolve(context.requestHeader);
    whenCalled();
    await whenAborted(context.signal);
    cancelled.resolve();
    throw new ConnectError("cancelled", Code.Canceled);
  }

  async function* waitInStream(request: unknown, context: HandlerContext) {
    yield await wait(request, context);
  }

  Object.assign(upstream.rpcs, { [rpc]: rpc === "streamWorkflowEvents" ? waitInStream : wait });
  return { started: begun.promise, cancelled: cancelled.promise };
}
