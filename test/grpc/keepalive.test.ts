import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { respondWith, frameType, grpcHeader, grpcMessage, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { sockets, poolClient } from "./transports.ts";
import { until } from "../support/until.ts";

/** HTTP/2 ENHANCE_YOUR_CALM. */
const calm = 11;

const respond = respondWith("w1");

/** A server that holds every call and acknowledges no ping, and a client with a short keepalive. */
async function startPair({ timeMs = 40, timeoutMs = 300 } = {}) {
  const server = await startFrameServer();
  const held: ServerStream[] = [];
  let pings = 0;
  server.responds = false;
  server.serve = (stream) => held.push(stream);
  server.onFrame = ({ type, flags }) => {
    if (type === frameType.ping && flags === 0) pings += 1;
  };
  const { client, close } = poolClient(server.url, { keepalive: { timeMs, timeoutMs } });
  return {
    server,
    held,
    client,
    /** A call that is not retried. */
    submit: () => client.submitWorkflow({}),
    get pings() {
      return pings;
    },
    async [Symbol.asyncDispose]() {
      await close();
      await server.close();
    },
  };
}

const unavailable = { code: Code.Unavailable };

describe("Keepalive", () => {
  it("ends the calls of a silent server with the reason; the next call connects again", async () => {
    await using pair = await startPair();
    const { server, held, submit, client } = pair;
    const calls = [submit(), client.retryWorkflow({})];
    await until(() => held.length === 2);
    const error = { code: Code.Unavailable, rawMessage: /did not acknowledge a ping within 300 ms/ };
    await Promise.all(calls.map((call) => assert.rejects(call, error)));
    assert.equal(pair.pings, 1);
    server.serve = respond;
    await submit();
    await until(() => server.connections.now === 1);
    assert.equal(server.connections.ever, 2);
  });

  it("ends a call although its response has begun", async () => {
    await using pair = await startPair();
    pair.server.serve = (stream) => {
      stream.header(grpcHeader);
      stream.data(grpcMessage("w1"));
    };
    const events = pair.client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    assert.equal((await events.next()).value?.workflowId, "w1");
    await assert.rejects(events.next(), unavailable);
  });

  it("lets a call wait while pings are acknowledged", async () => {
    await using pair = await startPair();
    pair.server.responds = true;
    const call = pair.submit();
    await until(() => pair.pings === 4);
    pair.held.forEach(respond);
    await call;
  });

  it("accepts any received bytes instead of an acknowledgement", async () => {
    await using pair = await startPair();
    const events = pair.client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    await until(() => pair.held.length === 1);
    pair.held[0]?.header(grpcHeader);
    for (let count = 1; count <= 2; count++) {
      await until(() => pair.pings === count);
      pair.held[0]?.data(grpcMessage("w1"));
      await events.next();
    }
  });

  it("sends no ping while no call is open or bytes are received", async () => {
    await using idle = await startPair();
    await using busy = await startPair({ timeMs: 400 });
    await using clock = await startPair({ timeMs: 400 });
    idle.server.serve = respond;
    await idle.submit();
    const waiting = busy.submit();
    clock.server.responds = true;
    const ticking = clock.submit();
    await until(() => busy.held.length === 1);
    busy.held[0]?.header(grpcHeader);
    const talk = setInterval(() => busy.held[0]?.data(Buffer.alloc(0)), 30);
    await until(() => clock.pings === 5);
    assert.deepEqual([idle.pings, busy.pings], [0, 0]);
    clearInterval(talk);
    [...busy.held, ...clock.held].forEach((stream) => stream.reset(8));
    await Promise.all([waiting, ticking].map((call) => assert.rejects(call, unavailable)));
  });

  it("pings again on a session that was idle", async () => {
    await using pair = await startPair();
    await using clock = await startPair();
    const { server, submit } = pair;
    clock.server.responds = true;
    server.serve = respond;
    await submit();
    const ticking = clock.submit();
    await until(() => clock.pings === 3);
    server.serve = () => undefined;
    await assert.rejects(submit(), unavailable);
    assert.equal(pair.pings, 1);
    clock.held.forEach(respond);
    await ticking;
  });

  it("detects a silent server even if every call is cancelled before", async () => {
    await using pair = await startPair();
    await using clock = await startPair();
    const { server, client } = pair;
    clock.server.responds = true;
    const ticking = clock.submit();
    while (server.connections.ever < 2) {
      await assert.rejects(client.submitWorkflow({}, { timeoutMs: 15 }));
      // Meanwhile a check finds that the session is idle.
      const { pings } = clock;
      await until(() => clock.pings > pings);
    }
    assert.equal(pair.pings, 1);
    clock.held.forEach(respond);
    await ticking;
  });

  it("closes a session on which no settings are received", async () => {
    await using pair = await startPair({ timeoutMs: 200 });
    const { server, submit } = pair;
    server.maxStreams = "no settings";
    await assert.rejects(submit(), {
      code: Code.Unavailable,
      rawMessage: /no HTTP\/2 settings were received within 400 ms/,
    });
    server.maxStreams = Infinity;
    server.serve = respond;
    await submit();
    assert.equal(server.connections.ever, 2);
  });

  it("does not mistake a blocked event loop for a missing acknowledgement", async () => {
    await using pair = await startPair({ timeoutMs: 60 });
    const { server, held, submit } = pair;
    server.responds = true;
    const delays: string[] = [];
    const holdUp = (before: string) => {
      if (delays.includes(before)) return;
      delays.push(before);
      const end = performance.now() + 200;
      while (performance.now() < end);
    };
    Object.defineProperty(server, "maxStreams", {
      get() {
        holdUp("it sends settings");
        return Infinity;
      },
    });
    server.onFrame = ({ type }) => {
      if (type === frameType.ping) holdUp("a ping's acknowledgement is read");
    };
    const call = submit();
    for (let count = 0; count < 3; count++) await server.next(frameType.ping);
    held.forEach(respond);
    await call;
    assert.equal(delays.length, 2);
  });

  it("checks a session after GOAWAY, and lets its calls finish", async () => {
    await using pair = await startPair();
    const { server, held, submit } = pair;
    server.responds = true;
    const call = submit();
    await until(() => held.length === 1);
    let settingsFrames = 0;
    server.onFrame = ({ type, flags }) => {
      if (type === frameType.settings && flags === 0) settingsFrames += 1;
    };
    held[0]?.goaway(1, 0);
    await until(() => settingsFrames === 3);
    held.forEach(respond);
    await call;
  });

  it("ends the calls of a session that is silent after GOAWAY", async () => {
    await using pair = await startPair();
    const call = pair.submit();
    await until(() => pair.held.length === 1);
    pair.held[0]?.goaway(1, 0);
    await assert.rejects(call, unavailable);
  });

  for (const talk of ["sends nothing", "sends data"] as const)
    it(`sends at most two pings until response headers are received, if the server ${talk}`, async () => {
      await using pair = await startPair();
      const { server, held, client } = pair;
      server.responds = true;
      const events = client.streamWorkflowEvents({})[Symbol.asyncIterator]();
      const first = events.next();
      await until(() => held.length === 1);
      held[0]?.header(grpcHeader);
      let pings = 0;
      const counts: number[] = [];
      const settings: number[] = [];
      server.onFrame = ({ type, flags }) => {
        if (type === frameType.settings && flags === 0) settings.push(pings);
        if (type === frameType.ping && flags === 0) pings += 1;
        if (talk === "sends data" && type === frameType.ping) held[0]?.data(grpcMessage("w1"));
      };
      server.onHealthCheck = () => counts.push(pings);
      await until(() => counts.length >= 4);
      assert.deepEqual(counts.slice(0, 4), [2, 4, 6, 8]);
      assert.deepEqual(settings, []);
      if (talk === "sends nothing") held[0]?.data(grpcMessage("w1"));
      await first;
      await events.return?.();
    });

  it("sends settings instead of a third ping if the health check has no response", async () => {
    await using pair = await startPair();
    const { server, submit, held } = pair;
    server.responds = true;
    server.respondsToHealthChecks = false;
    const call = submit();
    await until(() => held.length === 1);
    const sent: number[] = [];
    server.onFrame = ({ type, flags }) => {
      if ((type === frameType.ping || type === frameType.settings) && flags === 0) sent.push(type);
    };
    await until(() => sent.length >= 6);
    const { ping, settings } = frameType;
    assert.deepEqual(sent.slice(0, 6), [ping, ping, settings, settings, settings, settings]);
    server.responds = false;
    await assert.rejects(call, unavailable);
    assert.equal(held.length, 1);
  });

  it("sends settings and no health check if the server allows no other stream", async () => {
    await using pair = await startPair();
    const { server, submit, held } = pair;
    server.responds = true;
    server.maxStreams = 1;
    let checks = 0;
    let settings = 0;
    server.onHealthCheck = () => (checks += 1);
    const call = submit();
    await until(() => held.length === 1);
    server.onFrame = ({ type, flags }) => {
      if (type === frameType.settings && flags === 0) settings += 1;
    };
    await until(() => settings >= 3);
    assert.equal(checks, 0);
    held.forEach(respond);
    await call;
  });

  it("detects a server that freezes after the second ping", async () => {
    await using pair = await startPair();
    const { server, submit, held } = pair;
    server.responds = true;
    const call = submit();
    let checks = 0;
    server.onHealthCheck = () => (checks += 1);
    await until(() => checks >= 3);
    server.responds = false;
    await assert.rejects(call, unavailable);
    assert.equal(held.length, 1);
  });

  it("sends no more pings after too_many_pings, and lets the call in progress finish", async () => {
    await using pair = await startPair();
    const { server, submit, held } = pair;
    server.responds = true;
    const first = submit();
    await until(() => held.length === 1);
    held[0]?.goaway(1, calm, "too_many_pings");
    const second = submit();
    await until(() => held.some(({ connection }) => connection === 2));
    let settings = 0;
    let pings = 0;
    server.onFrame = ({ type, flags }) => {
      if (flags !== 0) return;
      if (type === frameType.settings) settings += 1;
      if (type === frameType.ping) pings += 1;
    };
    await until(() => settings >= 10);
    held.forEach(respond);
    await Promise.all([first, second]);
    assert.equal(pings, 0);
  });

  it("ends the calls of a session that is closed with another ENHANCE_YOUR_CALM", async () => {
    await using pair = await startPair();
    const { submit, held } = pair;
    const call = submit();
    await until(() => held.length === 1);
    held[0]?.goaway(1, calm, "too many resets");
    await assert.rejects(call, unavailable);
  });

  it("closes the socket of a server that does not read", async () => {
    await using pair = await startPair();
    const { server, held, submit, client } = pair;
    const before = sockets();
    const call = submit();
    await until(() => held.length === 1);
    assert.equal(sockets(), before + 2);
    server.freeze();
    // More than the kernel buffers.
    const large = client.submitWorkflow({ idempotencyKey: "x".repeat(16 * 1024 * 1024) });
    const many = Array.from({ length: 1000 }, () =>
      client.submitWorkflow({}, { headers: { x: "x".repeat(16_000) } }),
    );
    await Promise.all([call, large, ...many].map((one) => assert.rejects(one, unavailable)));
    await until(() => sockets() === before + 1);
  });
});
