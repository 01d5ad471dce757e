import assert from "node:assert/strict";
import { keepaliveOf } from "./responses.ts";
import { connect } from "node:net";
import { Code } from "@connectrpc/connect";
import { createLogger } from "../../src/telemetry/logger.ts";
import { connectTo } from "../support/orchestrator.ts";
import { deferred } from "../support/stack.ts";
import { respondWith, frameType, startFrameServer } from "./frame-server.ts";
import type { FrameServer, ServerStream } from "./frame-server.ts";
import { startRawServer } from "./raw-server.ts";
import { until } from "../support/until.ts";

const keepalive = keepaliveOf(400);
const patient = keepaliveOf(60_000);

const respond = respondWith("w1");

/** A server that holds its calls. */
async function startHolding() {
  const server = await startFrameServer();
  const held: ServerStream[] = [];
  server.serve = (stream) => held.push(stream);
  return { server, held, [Symbol.asyncDispose]: () => server.close() };
}

/** A server that hangs up at once. */
const startGone = () => startRawServer((socket) => socket.destroy());

function portOf({ url }: FrameServer): number {
  return Number(new URL(url).port);
}

describe("Channel: picks", () => {
  it("calls a slow server if the other acknowledges no ping", async () => {
    await using frozen = await startHolding();
    await using slow = await startHolding();
    const { client, close, count } = connectTo([frozen.server.url, slow.server.url], { keepalive });
    await until(() => count().ready === 2);
    const first = [client.getWorkflow({}), client.getWorkflow({})];
    await until(() => frozen.held.length === 1);
    frozen.server.responds = false;
    await until(() => slow.held.length === 2);
    await slow.server.next(frameType.ping);
    const more = [client.getWorkflow({}), client.getWorkflow({})];
    await until(() => slow.held.length === 4);
    assert.equal(frozen.server.connections.ever, 1);
    for (const stream of slow.held) respond(stream);
    await Promise.all([...first, ...more]);
    close();
  });

  it("does not wait for a silent server once another is ready", async () => {
    await using silent = await startHolding();
    silent.server.maxStreams = "no settings";
    silent.server.responds = false;
    await using good = await startHolding();
    good.server.serve = respond;
    const { client, close } = connectTo([silent.server.url, good.server.url], { keepalive: patient });
    // Neither is connected yet.
    await Promise.all(Array.from({ length: 4 }, () => client.submitWorkflow({})));
    close();
  });

  it("waits for a connecting server if the others are gone", async () => {
    await using good = await startHolding();
    good.server.serve = respond;
    const mayConnect = deferred();
    using far = await startRawServer((socket) => {
      const upstream = connect(portOf(good.server), "127.0.0.1");
      upstream.on("error", () => undefined);
      void mayConnect.promise.then(() => socket.pipe(upstream).pipe(socket));
    });
    using one = await startGone();
    using two = await startGone();
    const { client, close } = connectTo([one.url, two.url, far.url], { keepalive: patient });
    const calls = Promise.all(Array.from({ length: 20 }, () => client.submitWorkflow({})));
    await until(() => one.connectedAt.length > 2 && two.connectedAt.length > 2);
    mayConnect.resolve();
    assert.equal((await calls).length, 20);
    close();
  });

  it("keeps a call on a silent server if no other is ready", async () => {
    await using stalled = await startHolding();
    using gone = await startGone();
    let heldAtLoss: number | undefined;
    const { host } = new URL(stalled.server.url);
    const logger = createLogger({
      write(line) {
        if (line.includes(host)) heldAtLoss ??= stalled.held.length;
      },
    });
    const { client, close, count } = connectTo([stalled.server.url, gone.url], { keepalive, logger });
    await until(() => gone.connectedAt.length > 1 && count().ready === 1);
    stalled.server.responds = false;
    const read = client.getWorkflow({});
    await until(() => heldAtLoss !== undefined);
    assert.equal(heldAtLoss, 1);
    stalled.server.responds = true;
    stalled.server.serve = respond;
    // The call may have been retried meanwhile.
    stalled.held.slice(1).forEach(respond);
    await read;
    close();
  });

  it("sends a call at most four times if each server receives it and hangs up", async () => {
    const servers = await Promise.all(Array.from({ length: 6 }, () => startFrameServer()));
    let attempts = 0;
    for (const server of servers) {
      server.serve = (stream) => {
        attempts += 1;
        stream.destroyConnection();
      };
    }
    const { client, close, count } = connectTo(
      servers.map(({ url }) => url),
      { keepalive: patient },
    );
    await until(() => count().ready === 6);
    await assert.rejects(client.getWorkflow({}), { code: Code.Unavailable });
    assert.equal(attempts, 4);
    close();
    for (const server of servers) await server.close();
  });
});
