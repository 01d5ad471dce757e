import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { suite } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import { stepEvent } from "../support/samples.ts";
import { whenAborted } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import { poolClient } from "./transports.ts";

/** The bytes between two breaks: the header of an HTTP/2 frame has nine bytes. */
const step = 5;

type Direction = "up" | "down";

/** Ways to break a connection; `client` is the gateway's socket. */
const ways: Record<string, (client: Socket, server: Socket) => void> = {
  "is frozen": (client, server) => {
    client.unpipe(server).pause();
    server.unpipe(client).pause();
  },
  "is closed": (client) => client.destroy(),
  "is reset": (client) => client.resetAndDestroy(),
  "is half closed": (client, server) => {
    server.unpipe(client);
    client.end();
  },
};

/** A proxy whose first connection breaks after a number of bytes. */
async function startBreakingProxy(target: string, direction: Direction, bytes: number, way: string) {
  const sockets = new Set<Socket>();
  let passed = 0;
  let connections = 0;
  const listener = createServer((client) => {
    connections += 1;
    const isFirst = connections === 1;
    const server = connect(Number(new URL(target).port), "127.0.0.1");
    const [from, to] = direction === "up" ? [client, server] : [server, client];
    to.pipe(from);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true).on("error", () => undefined);
    }
    client.once("close", () => server.destroy());
    server.once("close", () => {
      // A half-closed connection is closed by the client.
      if (!client.writableEnded) client.destroy();
    });
    from.on("data", (chunk: Buffer) => {
      if (!isFirst) return void to.write(chunk);
      const rest = Math.max(0, bytes - passed);
      passed += chunk.length;
      to.write(chunk.subarray(0, rest));
      if (chunk.length >= rest) ways[way]?.(client, server);
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get passed() {
      return passed;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** Whether a call failed since a new connection was not established in time. */
function isWithoutSettings(outcome: PromiseSettledResult<unknown>): boolean {
  return outcome.status === "rejected" && /no HTTP\/2 settings were received/.test(String(outcome.reason));
}

describe("a connection that breaks after any byte", () => {
  const upstream = suite(() =>
    startUpstream({
      getWorkflow: ({ workflowId }) => ({ id: workflowId }),
      submitWorkflow: () => ({ id: "w1" }),
      async *streamWorkflowEvents(_request, { signal }) {
        yield stepEvent(1n);
        await whenAborted(signal);
      },
    }),
  );

  /** Makes two reads, a submission and a stream; returns their outcomes, and how many bytes passed. */
  async function exchange(direction: Direction, bytes: number, way: string, timeoutMs: number) {
    const proxy = await startBreakingProxy(upstream().url, direction, bytes, way);
    const { client, close } = poolClient(proxy.url, { keepalive: { timeMs: 20, timeoutMs } });
    const read = (id: string) => client.getWorkflow({ workflowId: id }, { timeoutMs: 60_000 });
    const written = client.submitWorkflow({}, { timeoutMs: 60_000 });
    const events = client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    const outcomes = await Promise.allSettled([
      read("w1"),
      // The next call is made at the moment of the break.
      written.then(
        () => read("w2"),
        () => read("w2"),
      ),
      written,
      events.next(),
    ]);
    await events.return?.();
    const { passed } = proxy;
    // The connection may break under this call, and then not under the next.
    await read("w3").catch(() => read("w3"));
    await close();
    await proxy.close();
    return { outcomes, passed };
  }

  for (const direction of ["up", "down"] as const)
    for (const way of Object.keys(ways))
      it(`ends calls with Unavailable at most when it ${way} on its way ${direction}, and serves the next call`, async () => {
        // A session waits twice as long for the server's settings. Bounded, since every frozen connection is waited for.
        const timeoutMs = Math.min(scaled(400), 2000);
        const { passed } = await exchange(direction, Infinity, way, timeoutMs);
        assert.ok(passed > 200, `${passed} bytes`);
        const cuts = Array.from({ length: Math.ceil(passed / step) }, (_, index) => step * index);
        const cutNext = async () => {
          for (let bytes = cuts.shift(); bytes !== undefined; bytes = cuts.shift()) {
            let { outcomes } = await exchange(direction, bytes, way, timeoutMs);
            // A machine that stalls while it connects again does so once, a fault each time.
            for (let more = 2; more > 0 && outcomes.slice(0, 2).some(isWithoutSettings); more -= 1)
              ({ outcomes } = await exchange(direction, bytes, way, timeoutMs));
            outcomes.forEach((outcome, index) => {
              if (outcome.status === "fulfilled") return;
              assert.ok(outcome.reason instanceof ConnectError);
              const { code, message } = outcome.reason;
              assert.ok(
                // A read fails only once its response has begun.
                (index >= 2 || direction === "down") && code === Code.Unavailable,
                `call ${index} after ${bytes} bytes: ${message}`,
              );
            });
          }
        };
        await Promise.all(Array.from({ length: 16 }, cutNext));
      });
});
