import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { createLogger } from "../../src/telemetry/logger.ts";
import { connectTo } from "../support/orchestrator.ts";
import { deferred } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import { readNames, sorted, keepaliveOf } from "./responses.ts";
import { respondWith, frameType, startFrameServer } from "./frame-server.ts";
import type { FrameServer, ServerStream } from "./frame-server.ts";
import { until } from "../support/until.ts";

/** Three servers that respond with their names, and their client with short keepalive times. */
async function startThree(keepalive = keepaliveOf(400)) {
  const servers = await Promise.all(["a", "b", "c"].map(async () => startFrameServer()));
  servers.forEach((server, i) => (server.serve = respondWith("abc".charAt(i))));
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ write: (line) => void lines.push(JSON.parse(line)) });
  const connection = connectTo(
    servers.map(({ url }) => url),
    { keepalive, logger },
  );
  const [a, b, c] = servers as [FrameServer, FrameServer, FrameServer];
  // The client connects to all servers before the first call.
  await until(() => servers.every(({ connections }) => connections.now === 1));
  await connection.client.getWorkflow({});
  return {
    a,
    b,
    c,
    client: connection.client,
    events: () => lines.map(({ event, address }) => `${String(event)} ${String(address)}`),
    async [Symbol.asyncDispose]() {
      connection.close();
      for (const server of servers) await server.close();
    },
  };
}

const address = ({ url }: FrameServer) => new URL(url).host;

describe("Channel", () => {
  it("calls servers in turn", async () => {
    await using three = await startThree();
    const { client } = three;
    assert.equal(sorted(await readNames(client, 9)), "aaabbbccc");
    const ids = await Promise.all(Array.from({ length: 6 }, () => client.submitWorkflow({})));
    assert.equal(sorted(ids.map(({ id }) => id).join("")), "aabbcc");
  });

  it("retries calls, submissions included, that cannot connect to one server", async () => {
    const gone = await startUpstream();
    await gone.close();
    const there = await startUpstream({ submitWorkflow: () => ({ id: "w1" }) });
    for (let i = 0; i < 4; i++) {
      const { client, close } = connectTo([gone.url, there.url]);
      // Neither server is connected yet.
      const submitted = await Promise.all([client.submitWorkflow({}), client.submitWorkflow({})]);
      assert.deepEqual(
        submitted.map(({ id }) => id),
        ["w1", "w1"],
      );
      close();
    }
    assert.equal(there.calls.length, 8);
    await there.close();
  });

  it("logs the loss of a subchannel with the reason, once", async () => {
    const gone = await startUpstream();
    await gone.close();
    const there = await startUpstream({ getWorkflow: () => ({ id: "w1" }) });
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger({ write: (line) => void lines.push(JSON.parse(line)) });
    const { client, close } = connectTo([gone.url, there.url], { logger });
    for (let i = 0; i < 4; i++) await client.getWorkflow({});
    close();
    await there.close();
    const told = lines.map(({ event, address, err }) => [
      event,
      address,
      (err as Error | undefined)?.message,
    ]);
    const { host } = new URL(gone.url);
    assert.deepEqual(told, [["subchannel.lost", host, `connect ECONNREFUSED ${host}`]]);
  });

  it("rejects with Unavailable and the reason while no server is reachable, and succeeds once one is", async () => {
    const gone = await startUpstream();
    await gone.close();
    const port = Number(new URL(gone.url).port);
    const { client, close } = connectTo([gone.url, `http://127.0.0.2:${port}`]);
    const failure = { code: Code.Unavailable, rawMessage: /ECONNREFUSED/ };
    await assert.rejects(client.getWorkflow({}), failure);
    await assert.rejects(client.submitWorkflow({}), failure);
    const back = await startUpstream({ getWorkflow: () => ({ id: "w1" }) }, port);
    assert.equal((await client.getWorkflow({})).id, "w1");
    close();
    await back.close();
  });

  it("does not call a lost server, logs the loss once, and calls the server again once it is back", async () => {
    await using three = await startThree();
    const { a, client, events } = three;
    a.maxStreams = "no settings";
    a.serve = (stream) => stream.destroyConnection();
    const before = a.connections.ever;
    assert.equal(sorted(await readNames(client, 6)), "bbbccc");
    // It closes accepted connections before it sends its settings: each attempt fails at once.
    await until(() => a.connections.ever > before + 2);
    assert.equal(sorted(await readNames(client, 6)), "bbbccc");
    assert.deepEqual(events(), [`subchannel.lost ${address(a)}`]);
    a.maxStreams = 100;
    a.serve = respondWith("a");
    await until(() => events().length === 2);
    assert.deepEqual(events()[1], `subchannel.recovered ${address(a)}`);
    assert.equal(sorted(await readNames(client, 9)), "aaabbbccc");
  });

  it("retries reads of a silent server elsewhere, and does not retry its submissions", async () => {
    await using three = await startThree(keepaliveOf(8000));
    const { a, b, c, client } = three;
    const held: ServerStream[] = [];
    a.serve = (stream) => held.push(stream);
    a.responds = false;
    const begunAt = performance.now();
    const reads = Promise.all(Array.from({ length: 6 }, () => client.getWorkflow({})));
    const submissions = Promise.all(Array.from({ length: 3 }, () => client.submitWorkflow({})));
    assert.equal(sorted((await reads).map(({ id }) => id).join("")), "bbbccc");
    // A ping after a quarter of the keepalive time, and an eighth of the keepalive timeout.
    const tookMs = performance.now() - begunAt;
    assert.ok(tookMs < 8000, `${tookMs} ms, which should be 3000`);
    assert.equal(sorted(await readNames(client, 6)), "bbbccc");
    assert.equal(held.length, 3);
    for (const stream of held) respondWith("a")(stream);
    a.responds = true;
    a.serve = respondWith("a");
    assert.equal(sorted((await submissions).map(({ id }) => id).join("")), "abc");
    assert.equal(sorted(await readNames(client, 9)), "aaabbbccc");
    assert.deepEqual(
      [a, b, c].map(({ connections }) => connections.ever),
      [1, 1, 1],
    );
  });

  it("waits for a slow server that acknowledges pings", async () => {
    await using three = await startThree();
    const { a, b, client } = three;
    const held: ServerStream[] = [];
    for (const server of [a, b, three.c]) server.serve = (stream) => held.push(stream);
    const pinged = b.next(frameType.ping);
    const reads = Promise.all(Array.from({ length: 3 }, () => client.getWorkflow({})));
    await pinged;
    await a.next(frameType.ping);
    await b.next(frameType.ping);
    assert.equal(held.length, 3);
    for (const stream of held) respondWith("x")(stream);
    await reads;
  });

  it("lets calls finish on a server that sends GOAWAY, and connects to it again at once", async () => {
    await using three = await startThree();
    const { a, client, events } = three;
    const held = deferred<ServerStream>();
    a.serve = (stream) => held.resolve(stream);
    const reads = Promise.all(Array.from({ length: 3 }, () => client.getWorkflow({})));
    const stream = await held.promise;
    a.serve = respondWith("a");
    stream.goaway(stream.streamId, 0);
    await until(() => a.connections.ever === 2);
    respondWith("a")(stream);
    assert.equal(sorted((await reads).map(({ id }) => id).join("")), "abc");
    assert.equal(sorted(await readNames(client, 9)), "aaabbbccc");
    assert.deepEqual(events(), []);
  });
});
