import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { createLogger } from "../../src/telemetry/logger.ts";
import { scaled } from "../support/machine.ts";
import { connectTo } from "../support/orchestrator.ts";
import { deferred } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import { answers, sorted, keepaliveOf } from "./responses.ts";
import { answerWith, frameType, startFrameServer } from "./frame-server.ts";
import type { FrameServer, Peer } from "./frame-server.ts";
import { until } from "./transports.ts";

/** Three servers that answer with their names, and a client of them; pings and their waits are short. */
async function startThree(keepalive = keepaliveOf(400)) {
  const servers = await Promise.all(["a", "b", "c"].map(async () => startFrameServer()));
  servers.forEach((server, i) => (server.serve = answerWith("abc".charAt(i))));
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ write: (line) => void lines.push(JSON.parse(line)) });
  const connection = connectTo(
    servers.map(({ url }) => url),
    { keepalive, logger },
  );
  const [a, b, c] = servers as [FrameServer, FrameServer, FrameServer];
  // Each is connected to before it is called.
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

describe("several orchestrators", () => {
  it("are called in turn, by submissions too", async () => {
    await using three = await startThree();
    const { client } = three;
    assert.equal(sorted(await answers(client, 9)), "aaabbbccc");
    const ids = await Promise.all(Array.from({ length: 6 }, () => client.submitWorkflow({})));
    assert.equal(sorted(ids.map(({ id }) => id).join("")), "aabbcc");
  });

  it("take what one of them cannot be connected to for, submissions included", async () => {
    const gone = await startUpstream();
    await gone.close();
    const there = await startUpstream({ submitWorkflow: () => ({ id: "w1" }) });
    for (let i = 0; i < 4; i++) {
      const { client, close } = connectTo([gone.url, there.url]);
      // The first calls are made before anything is known of either.
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

  it("are told of with the reason where one is lost, once", async () => {
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

  it("are Unavailable where none is there, with the reason, and serve again once one is", async () => {
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

  it("are not waited for where one has gone, which is told once, and called again once it is back", async () => {
    await using three = await startThree();
    const { a, client, events } = three;
    a.maxStreams = "no settings";
    a.serve = (peer) => peer.cut();
    const before = a.connections.ever;
    assert.equal(sorted(await answers(client, 6)), "bbbccc");
    // It accepts, and speaks before its settings: each try fails at once.
    await until(() => a.connections.ever > before + 2);
    assert.equal(sorted(await answers(client, 6)), "bbbccc");
    assert.deepEqual(events(), [`subchannel.lost ${address(a)}`]);
    a.maxStreams = 100;
    a.serve = answerWith("a");
    await until(() => events().length === 2);
    assert.deepEqual(events()[1], `subchannel.recovered ${address(a)}`);
    assert.equal(sorted(await answers(client, 9)), "aaabbbccc");
  });

  it("answer the reads that one keeps waiting which says nothing, and leave it its submissions", async () => {
    await using three = await startThree(keepaliveOf(2000));
    const { a, b, c, client } = three;
    const held: Peer[] = [];
    a.serve = (peer) => held.push(peer);
    a.answers = false;
    const begunAt = performance.now();
    const reads = Promise.all(Array.from({ length: 6 }, () => client.getWorkflow({})));
    const submissions = Promise.all(Array.from({ length: 3 }, () => client.submitWorkflow({})));
    assert.equal(sorted((await reads).map(({ id }) => id).join("")), "bbbccc");
    // A ping after a quarter of the usual silence, and an eighth of the usual wait for its answer.
    const tookMs = performance.now() - begunAt;
    assert.ok(tookMs < scaled(2000), `${tookMs} ms, which should be 750`);
    assert.equal(sorted(await answers(client, 6)), "bbbccc");
    assert.equal(held.length, 3);
    for (const peer of held) answerWith("a")(peer);
    a.answers = true;
    a.serve = answerWith("a");
    assert.equal(sorted((await submissions).map(({ id }) => id).join("")), "abc");
    assert.equal(sorted(await answers(client, 9)), "aaabbbccc");
    assert.deepEqual(
      [a, b, c].map(({ connections }) => connections.ever),
      [1, 1, 1],
    );
  });

  it("wait for one that is slow and answers pings, which does its work once", async () => {
    await using three = await startThree();
    const { a, b, client } = three;
    const held: Peer[] = [];
    for (const server of [a, b, three.c]) server.serve = (peer) => held.push(peer);
    const pinged = b.next(frameType.ping);
    const reads = Promise.all(Array.from({ length: 3 }, () => client.getWorkflow({})));
    await pinged;
    await a.next(frameType.ping);
    await b.next(frameType.ping);
    assert.equal(held.length, 3);
    for (const peer of held) answerWith("x")(peer);
    await reads;
  });

  it("take the calls of one that says goodbye, which finishes what it has, and is called again at once", async () => {
    await using three = await startThree();
    const { a, client, events } = three;
    const held = deferred<Peer>();
    a.serve = (peer) => held.resolve(peer);
    const reads = Promise.all(Array.from({ length: 3 }, () => client.getWorkflow({})));
    const peer = await held.promise;
    a.serve = answerWith("a");
    peer.goaway(peer.streamId, 0);
    await until(() => a.connections.ever === 2);
    answerWith("a")(peer);
    assert.equal(sorted((await reads).map(({ id }) => id).join("")), "abc");
    assert.equal(sorted(await answers(client, 9)), "aaabbbccc");
    assert.deepEqual(events(), []);
  });
});
