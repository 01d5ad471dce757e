import assert from "node:assert/strict";
import { createLogger } from "../../src/telemetry/logger.ts";
import { GrpcBalancer } from "../../src/orchestrator/grpc-balancer.ts";
import { targetOf } from "../../src/orchestrator/grpc-target.ts";
import { startFrameServer } from "./frame-server.ts";
import { startRawServer } from "./raw-server.ts";
import { until } from "./transports.ts";

const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const goaway = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** A server that says `greeting` and hangs up. */
const startFickle = (greeting: Buffer) =>
  startRawServer((socket) => {
    socket.write(greeting);
    socket.once("data", () => socket.end());
  });

/** Servers, and one more that stands by. */
async function balance(...urls: string[]) {
  const standby = await startFrameServer();
  const balancer = new GrpcBalancer({
    keepalive: { pingTimeoutMs: 400, keepaliveMs: 400 },
    logger: createLogger({ write: () => undefined }),
    onLost: () => undefined,
    onPingsRefused: () => undefined,
  });
  balancer.update([standby.url, ...urls].map((url) => targetOf(new URL(url))));
  return {
    balancer,
    async [Symbol.asyncDispose]() {
      balancer.close();
      await standby.close();
    },
  };
}

describe("one of several servers", () => {
  for (const [how, greeting] of [
    ["hangs up", Buffer.alloc(0)],
    ["greets and hangs up", settings],
    ["greets and says goodbye", Buffer.concat([settings, goaway])],
  ] as const) {
    it(`is tried again with ever longer rests where it ${how}`, async () => {
      using fickle = await startFickle(greeting);
      await using pair = await balance(fickle.url);
      await until(() => fickle.connectedAt.length === 4);
      assert.equal(pair.balancer.count.all, 2);
      const rests = fickle.connectedAt.slice(1).map((at, i) => at - (fickle.connectedAt[i] ?? 0));
      [0, 250, 500].forEach((rest, i) => assert.ok((rests[i] ?? 0) >= 0.75 * rest, `${rests.join()} ms`));
    });
  }

  it("is tried again where certificates change before it has answered", async () => {
    const silent = await startFrameServer();
    silent.maxStreams = "no settings";
    silent.answers = false;
    await using pair = await balance(silent.url);
    const { balancer } = pair;
    await until(() => silent.connections.ever === 1);
    balancer.renew();
    await until(() => silent.connections.ever === 2);
    silent.maxStreams = 100;
    silent.answers = true;
    await until(() => balancer.count.reached === 2);
    await silent.close();
  });
});
