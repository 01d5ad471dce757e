import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { createLogger } from "../../src/telemetry/logger.ts";
import type { OrchestratorClient } from "../../src/orchestrator/client.ts";
import { connectTo } from "../support/orchestrator.ts";
import { abortion, signal } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import { answerWith, frameType, startFrameServer } from "./frame-server.ts";
import type { FrameServer, Peer } from "./frame-server.ts";
import { sockets, until } from "./transports.ts";

/** Three servers that answer with their names, and a client of them; pings and their waits are short. */
async function startThree(options: Parameters<typeof connectTo>[1] = {}) {
  const servers = await Promise.all(["a", "b", "c"].map(async () => startFrameServer()));
  servers.forEach((server, i) => (server.serve = answerWith("abc".charAt(i))));
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ write: (line) => void lines.push(JSON.parse(line)) });
  const keepalive = { pingTimeoutMs: 400, keepaliveMs: 400 };
  const connection = connectTo(
    servers.map(({ url }) => url),
    { keepalive, logger, ...options },
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

/** The names of those that answer so many reads, one after another. */
async function answers(client: OrchestratorClient, count: number): Promise<string> {
  let names = "";
  for (let i = 0; i < count; i++) names += (await client.getWorkflow({})).id;
  return names;
}

/** Names in the order of the alphabet. */
function sorted(names: string): string {
  return names.split("").sort().join("");
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
    assert.deepEqual(told, [["orchestrator.lost", host, `connect ECONNREFUSED ${host}`]]);
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

  it("are not waited for where one has gone, and it is tried again with ever longer rests", async () => {
    await using three = await startThree();
    const { a, client, events } = three;
    const triedAt: number[] = [];
    a.maxStreams = "no settings";
    const goneAt = performance.now();
    const before = a.connections.ever;
    a.serve = (peer) => peer.cut();
    assert.equal(sorted(await answers(client, 6)), "bbbccc");
    // It accepts, and speaks before its settings: each try fails at once.
    while (triedAt.length < 4) {
      await until(() => a.connections.ever > before + triedAt.length);
      triedAt.push(performance.now() - goneAt);
    }
    const rests = triedAt.slice(1).map((at, i) => at - (triedAt[i] ?? 0));
    [250, 500, 1000].forEach((rest, i) => {
      const took = rests[i] ?? 0;
      assert.ok(took > 0.75 * rest && took < 1.25 * rest + 200, `${rests.join()} ms`);
    });
    assert.equal(sorted(await answers(client, 6)), "bbbccc");
    assert.deepEqual(events(), [`orchestrator.lost ${address(a)}`]);
    a.maxStreams = 100;
    a.serve = answerWith("a");
    await until(() => events().length === 2);
    assert.deepEqual(events()[1], `orchestrator.regained ${address(a)}`);
    assert.equal(sorted(await answers(client, 9)), "aaabbbccc");
  }).timeout(20_000);

  it("answer the reads that one keeps waiting which says nothing, and leave it its submissions", async () => {
    await using three = await startThree();
    const { a, b, c, client } = three;
    const held: Peer[] = [];
    a.serve = (peer) => held.push(peer);
    a.answers = false;
    const begunAt = performance.now();
    const reads = Promise.all(Array.from({ length: 6 }, () => client.getWorkflow({})));
    const submissions = Promise.all(Array.from({ length: 3 }, () => client.submitWorkflow({})));
    assert.equal(sorted((await reads).map(({ id }) => id).join("")), "bbbccc");
    // A ping after a quarter of the usual silence, and an eighth of the usual wait for its answer.
    assert.ok(performance.now() - begunAt < 380);
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
    const held = signal<Peer>();
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

  it("may be the addresses of one name, which come and go; streams stay where they are", async () => {
    const first = await startUpstream({ getWorkflow: () => ({ id: "1" }) });
    const port = Number(new URL(first.url).port);
    const mayEnd = signal();
    const streamWorkflowEvents = async function* () {
      yield { eventId: 1n };
      await mayEnd.promise;
      yield { eventId: 2n };
    };
    first.rpcs.streamWorkflowEvents = streamWorkflowEvents;
    const second = await startUpstream(
      { getWorkflow: () => ({ id: "2" }), streamWorkflowEvents },
      port,
      "127.0.0.2",
    );
    const third = await startUpstream({ getWorkflow: () => ({ id: "3" }) }, port, "127.0.0.3");
    const fourth = await startUpstream({ getWorkflow: () => ({ id: "4" }) }, port, "127.0.0.4");
    let addresses = ["127.0.0.1", "127.0.0.2"];
    const { client, close } = connectTo([`http://orchestrator.test:${port}`], {
      lookUp: () => Promise.resolve(addresses),
      refreshMs: 5,
    });
    const turns = async (names: string) => {
      while (sorted(await answers(client, 2)) !== names);
    };
    await turns("12");
    const streams = [1, 2].map(() => client.streamWorkflowEvents({})[Symbol.asyncIterator]());
    for (const events of streams) assert.equal((await events.next()).value?.eventId, 1n);
    addresses = ["127.0.0.2", "127.0.0.3"];
    await turns("23");
    assert.equal(sorted(await answers(client, 4)), "2233");
    addresses = ["127.0.0.3", "127.0.0.4"];
    await turns("34");
    mayEnd.resolve();
    for (const events of streams) {
      assert.equal((await events.next()).value?.eventId, 2n);
      assert.equal((await events.next()).done, true);
    }
    assert.deepEqual(
      [first.calls, second.calls].map(
        (calls) => calls.filter(({ rpc }) => rpc === "StreamWorkflowEvents").length,
      ),
      [1, 1],
    );
    close();
    for (const upstream of [first, second, third, fourth]) await upstream.close();
  });

  it("are looked up again when one is lost", async () => {
    const first = await startUpstream({ getWorkflow: () => ({ id: "1" }) });
    const port = Number(new URL(first.url).port);
    const second = await startUpstream({ getWorkflow: () => ({ id: "2" }) }, port, "127.0.0.2");
    const third = await startUpstream({ getWorkflow: () => ({ id: "3" }) }, port, "127.0.0.3");
    let addresses = ["127.0.0.1", "127.0.0.2"];
    const { client, close } = connectTo([`http://orchestrator.test:${port}`], {
      lookUp: () => Promise.resolve(addresses),
      refreshMs: 3_600_000,
    });
    while (sorted(await answers(client, 2)) !== "12");
    addresses = ["127.0.0.2", "127.0.0.3"];
    await first.close();
    while (sorted(await answers(client, 2)) !== "23");
    close();
    for (const upstream of [second, third]) await upstream.close();
  });

  it("are let go of at the end, those included that only finish what they have", async () => {
    const before = sockets();
    const first = await startUpstream({
      getWorkflow: () => ({}),
      async *streamWorkflowEvents(_request, { signal }) {
        yield { eventId: 1n };
        await abortion(signal);
      },
    });
    const port = Number(new URL(first.url).port);
    let addresses = ["127.0.0.1", "127.0.0.9"];
    const { client, close } = connectTo([`http://orchestrator.test:${port}`], {
      lookUp: () => Promise.resolve(addresses),
      refreshMs: 5,
    });
    const events = client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    await events.next();
    addresses = ["127.0.0.8", "127.0.0.9"];
    await assert.rejects(async () => {
      for (;;) await client.getWorkflow({});
    });
    close();
    await assert.rejects(events.next(), { code: Code.Unavailable });
    await until(() => sockets() === before);
    await first.close();
  });
});
