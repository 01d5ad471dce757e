import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { createAuthority } from "../support/certificates.ts";
import { adminToken, startTestGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { forwardTo, startTestStore } from "../support/object-store.ts";
import type { TestStore } from "../support/object-store.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";
import { publicName, startProxy } from "./proxies.ts";
import type { ProxyProgram, RunningProxy } from "./proxies.ts";
import { sendTls } from "./tls-client.ts";
import type { Protocol, SendOptions } from "./tls-client.ts";

/** A request that the gateway has received. */
interface ReceivedRequest {
  readonly path: string;
  readonly rawHeaders: readonly string[];
}

/** A proxy in front of a gateway and a sandbox. */
export interface ProxyScene {
  readonly proxy: RunningProxy;
  /** Between proxy and gateway. */
  readonly wire: TcpProxy;
  readonly gateway: TestGateway;
  /** Between gateway and object store. */
  readonly store: TestStore;
  readonly received: readonly ReceivedRequest[];
  /** How many event streams are open at the sandbox. */
  openStreams(): number;
  /** Sends a request to the proxy, by default with the administrator's token. */
  send(protocol: Protocol, path: string, options?: SendOptions): Promise<Response>;
  close(): Promise<void>;
}

/** Starts them; each step takes so long. */
export async function startProxyScene(program: ProxyProgram, stepSeconds: number): Promise<ProxyScene> {
  await using cleanup = new AsyncDisposableStack();
  const sandbox = await startSandbox({ ...sandboxSettings, stepSeconds });
  cleanup.defer(() => sandbox.close());
  const store = await startTestStore();
  cleanup.defer(() => store.close());
  store.respond = forwardTo(sandbox.objectStoreUrl);
  const received: ReceivedRequest[] = [];
  const gateway = await startTestGateway(
    { ...settingsFor(sandbox), R2_ENDPOINT: store.url },
    {
      streamIntervals: { checkMs: 50, heartbeatMs: 200 },
      operationStages: () => [
        function record({ originalUrl, rawHeaders }, _res, next) {
          received.push({ path: originalUrl, rawHeaders });
          next();
        },
      ],
    },
  );
  cleanup.defer(() => gateway.close());
  const wire = await startTcpProxy(gateway.url);
  cleanup.defer(() => wire.close());
  const authority = await createAuthority("authority");
  const proxy = await startProxy(program, wire.url, await authority.issue(publicName), authority.cert);
  cleanup.use(proxy);
  const resources = cleanup.move();
  return {
    proxy,
    wire,
    gateway,
    store,
    received,
    openStreams: () => sandbox.openStreams(),
    send(protocol, path, options = {}) {
      const headers = { Authorization: `Bearer ${adminToken}`, ...options.headers };
      return sendTls(protocol, proxy.httpsPort, authority.cert, path, { ...options, headers });
    },
    close: () => resources.disposeAsync(),
  };
}
