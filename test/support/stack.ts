import type { GatewayOptions } from "../../src/gateway.ts";
import { startTestGateway } from "./gateway.ts";
import type { TestGateway, TestSettings } from "./gateway.ts";
import { startUpstream } from "./upstream.ts";
import type { Upstream, UpstreamCall, UpstreamRpcs } from "./upstream.ts";

export { whenAborted } from "./when-aborted.ts";

/** A gateway in front of an orchestrator that the test scripts. */
export interface Stack {
  readonly upstream: Upstream;
  readonly gateway: TestGateway;
  close(): Promise<void>;
}

/** Starts both; the gateway's settings may be completed. */
export async function startStack(
  rpcs: UpstreamRpcs = {},
  settings: TestSettings = {},
  options: GatewayOptions = {},
): Promise<Stack> {
  const upstream = await startUpstream(rpcs);
  const gateway = await startTestGateway({ ORCHESTRATOR_ENDPOINT: upstream.url, ...settings }, options);
  return {
    upstream,
    gateway,
    async close() {
      await gateway.close();
      await upstream.close();
    },
  };
}

/** The same for one test: it is closed at the end of the block that it is used in. */
export async function startDisposableStack(
  ...options: Parameters<typeof startStack>
): Promise<Stack & AsyncDisposable> {
  const stack = await startStack(...options);
  return { ...stack, [Symbol.asyncDispose]: () => stack.close() };
}

/** The calls that reach `upstream` while `act` runs. */
export async function callsDuring(
  upstream: Upstream,
  act: () => Promise<unknown>,
): Promise<readonly UpstreamCall[]> {
  const before = upstream.calls.length;
  await act();
  return upstream.calls.slice(before);
}

/** A promise with its functions, for a test that waits until something has happened. */
export function deferred<T = void>() {
  return Promise.withResolvers<T>();
}
