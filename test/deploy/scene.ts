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

/** How many requests of one kind its gateway serves at once. */
export const maxInFlight = 8;

/** A gateway that runs as a process of its own, before a sandbox that can be cut off and a store that can fail. */
export interface Scene {
  readonly url: string;
  /** Between gateway and orchestrator. */
  readonly wire: TcpProxy;
  readonly store: TestStore;
  /** How the store answers when it is well. */
  readonly honest: RequestListener;
  close(): Promise<void>;
}

/** Starts it. */
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
    // So that keys are looked up again and again.
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

/** Passes reads on to another store. */
function passOnTo(origin: string): RequestListener {
  return function passOn({ url = "", headers }, res) {
    request(origin + url, { headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(res);
    })
      .once("error", () => res.destroy())
      .end();
  };
}
