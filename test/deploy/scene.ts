import { request } from "node:http";
import type { RequestListener } from "node:http";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { runGateway } from "../support/gateway-process.ts";
import { adminToken } from "../support/gateway.ts";
import { startTestStore } from "../support/object-store.ts";
import type { TestStore } from "../support/object-store.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";

/** The MAX_REQUESTS_IN_FLIGHT of the gateway. */
export const maxInFlight = 8;

/** A gateway process, in front of a sandbox that can be disconnected and a store that can fail. */
export interface Scene {
  readonly url: string;
  /** Between gateway and orchestrator. */
  readonly wire: TcpProxy;
  readonly store: TestStore;
  /** The normal response of the store. */
  readonly honest: RequestListener;
  close(): Promise<void>;
}

export async function startScene(): Promise<Scene> {
  await using cleanup = new AsyncDisposableStack();
  const sandbox = await startSandbox({ ...sandboxSettings, stepSeconds: 0.1 });
  cleanup.defer(() => sandbox.close());
  const wire = await startTcpProxy(sandbox.orchestratorUrl);
  cleanup.defer(() => wire.close());
  const store = await startTestStore();
  cleanup.defer(() => store.close());
  const honest = passOnTo(sandbox.objectStoreUrl);
  store.respond = honest;
  const gateway = runGateway({
    ...settingsFor(sandbox),
    BIND_ADDR: "127.0.0.1:0",
    API_TOKEN: adminToken,
    ORCHESTRATOR_ENDPOINT: wire.url,
    R2_ENDPOINT: store.url,
    DRAIN_DELAY_SECONDS: "0",
    SHUTDOWN_GRACE_SECONDS: "1",
    MAX_REQUESTS_IN_FLIGHT: String(maxInFlight),
    // So that keys are looked up often.
    AUTH_CACHE_TTL_SECONDS: "0.1",
  });
  cleanup.defer(async () => {
    gateway.child.kill("SIGINT");
    await gateway.ended;
  });
  const url = await gateway.started;
  const resources = cleanup.move();
  return { url, wire, store, honest, close: () => resources.disposeAsync() };
}

/** Forwards reads to another store. */
function passOnTo(origin: string): RequestListener {
  return function passOn({ url = "", headers }, res) {
    request(origin + url, { headers }, (response) => {
      res.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(res);
    })
      .once("error", () => res.destroy())
      .end();
  };
}
