import assert from "node:assert/strict";
import { keepaliveOf } from "./responses.ts";
import { Code } from "@connectrpc/connect";
import { createLogger } from "../../src/telemetry/logger.ts";
import { Channel } from "../../src/grpc/channel.ts";
import { targetOf } from "../../src/grpc/address.ts";
import { answerWith, frameType, grpcHeader, startFrameServer } from "./frame-server.ts";
import type { Peer } from "./frame-server.ts";
import { startRawServer } from "./raw-server.ts";
import { clientOver, until } from "./transports.ts";

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
  const lines: string[] = [];
  let refusedPings = 0;
  const balancer = new Channel({
    keepalive: keepaliveOf(400),
    logger: createLogger({ write: (line: string) => lines.push(line) }),
    onLost: () => undefined,
    onKeepaliveRejected: () => (refusedPings += 1),
  });
  balancer.update([standby.url, ...urls].map((url) => targetOf(new URL(url))));
  return {
    balancer,
    standby,
    calls: clientOver(balancer.calls),
    streams: clientOver(balancer.streams),
    lines,
    get refusedPings() {
      return refusedPings;
    },
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
    balancer.drainSessions();
    await until(() => silent.connections.ever === 2);
    silent.maxStreams = 100;
    silent.answers = true;
    await until(() => balancer.count.ready === 2);
    await silent.close();
  });

  it("gets two pings at most until it sends response headers, though it is asked four times as often", async () => {
    const server = await startFrameServer();
    await using pair = await balance(server.url);
    const { balancer, standby, calls } = pair;
    await until(() => balancer.count.ready === 2);
    const held: Peer[] = [];
    let pings = 0;
    const counts: number[] = [];
    for (const one of [server, standby]) one.serve = (peer) => held.push(peer);
    server.onFrame = ({ type, flags }) => {
      if (type === frameType.ping && flags === 0) pings += 1;
    };
    server.onHealthCheck = () => counts.push(pings);
    const both = [calls.submitWorkflow({}), calls.submitWorkflow({})];
    await until(() => counts.length >= 3);
    assert.deepEqual(counts.slice(0, 3), [2, 4, 6]);
    held.forEach(answerWith("w1"));
    await Promise.all(both);
    await server.close();
  });

  it("gets no more pings on any connection once it has refused them, which is told", async () => {
    const server = await startFrameServer();
    await using pair = await balance(server.url);
    const { balancer, standby, calls, streams, lines } = pair;
    await until(() => balancer.count.ready === 2);
    const held: Peer[] = [];
    const others: Peer[] = [];
    server.serve = (peer) => held.push(peer);
    standby.serve = (peer) => others.push(peer);
    const events = [1, 2].map(() => streams.streamWorkflowEvents({})[Symbol.asyncIterator]().next());
    const both = [calls.submitWorkflow({}), calls.submitWorkflow({})];
    // A call and a stream each, on two connections.
    await until(() => held.length === 2 && others.length === 2);
    held[0]?.goaway(held[0].streamId, 11, "too_many_pings");
    await until(() => pair.refusedPings === 1);
    const asked: number[] = [];
    server.onFrame = ({ type, flags }) => {
      if ((type === frameType.ping || type === frameType.settings) && flags === 0) asked.push(type);
    };
    await until(() => asked.length >= 6);
    assert.deepEqual(new Set(asked), new Set([frameType.settings]));
    const told = lines
      .map((line) => JSON.parse(line) as { event: string; address?: string })
      .filter(({ event }) => event === "keepalive.rejected");
    assert.deepEqual(
      told.map(({ address }) => address),
      [new URL(server.url).host],
    );
    balancer.close();
    await Promise.allSettled([...events, ...both]);
    await server.close();
  });

  it("is not lost by a call whose response breaks its session", async () => {
    const server = await startFrameServer();
    await using pair = await balance(server.url);
    const { balancer, standby, calls, lines } = pair;
    await until(() => balancer.count.ready === 2);
    const both = [server, standby];
    const callEach = () => both.map(() => calls.getWorkflow({}));
    for (const one of both) one.serve = answerWith("w1");
    await Promise.all(callEach());
    const tooLong = { ...grpcHeader, "grpc-status": "3", "grpc-message": "x".repeat(100 * 1024) };
    for (const one of both) one.serve = (peer) => peer.header(tooLong, "ends");
    await Promise.all(callEach().map((call) => assert.rejects(call, { code: Code.Internal })));
    for (const one of both) one.serve = answerWith("w1");
    await Promise.all(callEach());
    assert.equal(balancer.count.ready, 2);
    assert.deepEqual(
      lines.filter((line) => line.includes("subchannel.lost")),
      [],
    );
    await server.close();
  });
});
