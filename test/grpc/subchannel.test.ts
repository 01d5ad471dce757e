import assert from "node:assert/strict";
import { keepaliveOf } from "./responses.ts";
import { Code } from "@connectrpc/connect";
import { createLogger } from "../../src/telemetry/logger.ts";
import { Channel } from "../../src/grpc/channel.ts";
import { resolvedAddress } from "../../src/grpc/address.ts";
import { Subchannel } from "../../src/grpc/subchannel.ts";
import { respondWith, frameType, grpcHeader, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { startRawServer } from "./raw-server.ts";
import { clientOver } from "./transports.ts";
import { until } from "../support/until.ts";

const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const goaway = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** A server that sends `greeting` and hangs up. */
const startFickle = (greeting: Buffer) =>
  startRawServer((socket) => {
    socket.write(greeting);
    socket.once("data", () => socket.end());
  });

/** A channel over these servers and one more. */
async function startChannel(...urls: string[]) {
  const standby = await startFrameServer();
  const lines: string[] = [];
  let rejections = 0;
  const channel = new Channel({
    keepalive: keepaliveOf(400),
    logger: createLogger({ write: (line: string) => lines.push(line) }),
    onLost: () => undefined,
    onKeepaliveRejected: () => (rejections += 1),
  });
  channel.update([standby.url, ...urls].map((url) => resolvedAddress(new URL(url))));
  return {
    channel,
    standby,
    calls: clientOver(channel.calls),
    streams: clientOver(channel.streams),
    lines,
    get rejections() {
      return rejections;
    },
    async [Symbol.asyncDispose]() {
      channel.close();
      await standby.close();
    },
  };
}

describe("Subchannel", () => {
  for (const [how, greeting] of [
    ["hangs up", Buffer.alloc(0)],
    ["sends settings and hangs up", settings],
    ["sends settings and GOAWAY", Buffer.concat([settings, goaway])],
  ] as const) {
    it(`connects with a growing backoff to a server that ${how}`, async () => {
      using fickle = await startFickle(greeting);
      await using pair = await startChannel(fickle.url);
      await until(() => fickle.connectedAt.length === 4);
      assert.equal(pair.channel.count.all, 2);
      const rests = fickle.connectedAt.slice(1).map((at, i) => at - (fickle.connectedAt[i] ?? 0));
      [0, 250, 500].forEach((rest, i) => assert.ok((rests[i] ?? 0) >= 0.75 * rest, `${rests.join()} ms`));
    });
  }

  it("logs no recovery from a loss that it has not logged, as the only one", async () => {
    using fickle = await startFickle(settings);
    const events: unknown[] = [];
    let hasOthers = false;
    let losses = 0;
    const subchannel = new Subchannel(resolvedAddress(new URL(fickle.url)), {
      keepalive: keepaliveOf(400),
      logger: createLogger({ write: (line: string) => events.push(JSON.parse(line).event) }),
      hasOthers: () => hasOthers,
      hasReadyOther: () => false,
      onReady: () => undefined,
      onLost: () => (losses += 1),
      onKeepaliveRejected: () => undefined,
    });
    subchannel.connect();
    await until(() => losses > 0 && subchannel.state === "idle");
    hasOthers = true;
    subchannel.connect();
    await until(() => events.length > 0);
    assert.equal(events[0], "subchannel.lost");
    subchannel.close();
  });

  it("connects again if its sessions are drained while it connects", async () => {
    const silent = await startFrameServer();
    silent.maxStreams = "no settings";
    silent.responds = false;
    await using pair = await startChannel(silent.url);
    const { channel } = pair;
    await until(() => silent.connections.ever === 1);
    channel.drainSessions();
    await until(() => silent.connections.ever === 2);
    silent.maxStreams = 100;
    silent.responds = true;
    await until(() => channel.count.ready === 2);
    await silent.close();
  });

  it("sends at most two pings until response headers are received, although the keepalive time is a quarter", async () => {
    const server = await startFrameServer();
    await using pair = await startChannel(server.url);
    const { channel, standby, calls } = pair;
    await until(() => channel.count.ready === 2);
    const held: ServerStream[] = [];
    let pings = 0;
    const counts: number[] = [];
    for (const one of [server, standby]) one.serve = (stream) => held.push(stream);
    server.onFrame = ({ type, flags }) => {
      if (type === frameType.ping && flags === 0) pings += 1;
    };
    server.onHealthCheck = () => counts.push(pings);
    const both = [calls.submitWorkflow({}), calls.submitWorkflow({})];
    await until(() => counts.length >= 3);
    assert.deepEqual(counts.slice(0, 3), [2, 4, 6]);
    held.forEach(respondWith("w1"));
    await Promise.all(both);
    await server.close();
  });

  it("sends no more pings on any session once the server has rejected them, and logs that", async () => {
    const server = await startFrameServer();
    await using pair = await startChannel(server.url);
    const { channel, standby, calls, streams, lines } = pair;
    await until(() => channel.count.ready === 2);
    const held: ServerStream[] = [];
    const others: ServerStream[] = [];
    server.serve = (stream) => held.push(stream);
    standby.serve = (stream) => others.push(stream);
    const events = [1, 2].map(() => streams.streamWorkflowEvents({})[Symbol.asyncIterator]().next());
    const both = [calls.submitWorkflow({}), calls.submitWorkflow({})];
    // A call and a stream each, on two connections.
    await until(() => held.length === 2 && others.length === 2);
    held[0]?.goaway(held[0].streamId, 11, "too_many_pings");
    await until(() => pair.rejections === 1);
    const sent: number[] = [];
    server.onFrame = ({ type, flags }) => {
      if ((type === frameType.ping || type === frameType.settings) && flags === 0) sent.push(type);
    };
    await until(() => sent.length >= 6);
    assert.deepEqual(new Set(sent), new Set([frameType.settings]));
    const told = lines
      .map((line) => JSON.parse(line) as { event: string; address?: string })
      .filter(({ event }) => event === "keepalive.rejected");
    assert.deepEqual(
      told.map(({ address }) => address),
      [new URL(server.url).host],
    );
    channel.close();
    await Promise.allSettled([...events, ...both]);
    await server.close();
  });

  it("stays ready if a response breaks its session", async () => {
    const server = await startFrameServer();
    await using pair = await startChannel(server.url);
    const { channel, standby, calls, lines } = pair;
    await until(() => channel.count.ready === 2);
    const both = [server, standby];
    const callEach = () => both.map(() => calls.getWorkflow({}));
    for (const one of both) one.serve = respondWith("w1");
    await Promise.all(callEach());
    const tooLong = { ...grpcHeader, "grpc-status": "3", "grpc-message": "x".repeat(100 * 1024) };
    for (const one of both) one.serve = (stream) => stream.header(tooLong, "ends");
    await Promise.all(callEach().map((call) => assert.rejects(call, { code: Code.Internal })));
    for (const one of both) one.serve = respondWith("w1");
    await Promise.all(callEach());
    assert.equal(channel.count.ready, 2);
    assert.deepEqual(
      lines.filter((line) => line.includes("subchannel.lost")),
      [],
    );
    await server.close();
  });
});
