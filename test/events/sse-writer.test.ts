import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SseWriter } from "../../src/events/sse-writer.ts";
import { suite } from "../support/gateway.ts";

/** More than all the buffers between two sockets of one machine hold. */
const big = "x".repeat(32 * 1024 * 1024);

/** JSON in UTF-8, in one piece. */
const json = (value: unknown) => [Buffer.from(JSON.stringify(value))];

/** Events as they would be if the time to wait before a reconnect, one to three seconds, were always the same. */
const masked = (events: string) => events.replace(/^retry: [12]\d{3}$/m, "retry: 2000");

describe("EventResponse", () => {
  const server = suite(async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      request: async () => (await once(server, "request")) as [IncomingMessage, ServerResponse],
      async close() {
        const closed = once(server, "close");
        server.close();
        server.closeAllConnections();
        await closed;
      },
    };
  });

  /** An event stream, the server's response under it, and the client that asked for it. */
  async function open() {
    const client = get(server().url);
    const answered = once(client, "response") as Promise<[IncomingMessage]>;
    // A client that leaves before its answer is no failure of the test.
    answered.catch(() => undefined);
    const [, res] = await server().request();
    const sent: string[] = [];
    return {
      res,
      sent,
      response: new SseWriter(res, (name) => sent.push(name)),
      client,
      answer: async () => (await answered)[0],
    };
  }

  it("sends the headers before there is an event, and only once", async () => {
    const { response, answer } = await open();
    response.start();
    response.start();
    const { statusCode, headers } = await answer();
    assert.equal(statusCode, 200);
    assert.equal(headers["content-type"], "text/event-stream");
    assert.equal(headers["cache-control"], "no-store, no-transform");
    assert.equal(headers["x-accel-buffering"], "no");
    assert.equal(headers["content-length"], undefined);
    response.end();
  });

  it("sends the headers before it cuts, so that no proxy answers in its place", async () => {
    const { response, answer } = await open();
    response.abort();
    const received = await answer();
    assert.equal(received.statusCode, 200);
    await assert.rejects(text(received), { code: "ECONNRESET" });
  });

  it("sends events with the wait before a reconnect in the first one only", async () => {
    const { response, answer } = await open();
    response.start();
    response.heartbeat();
    await response.send("workflow_update", json({ a: 1 }));
    await response.send("step_update", json({ b: 2 }), 7n);
    response.heartbeat();
    response.end();
    assert.equal(
      masked(await text(await answer())),
      ':\nretry: 2000\nevent: workflow_update\ndata: {"a":1}\n\nid: 7\nevent: step_update\ndata: {"b":2}\n\n:\n',
    );
  });

  it("lets clients wait differently long before they reconnect", async () => {
    const waits = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const { response, answer } = await open();
      await response.send("step_update", json(1));
      response.end();
      waits.add((await text(await answer())).split("\n")[0]!);
    }
    assert.ok(waits.size > 1, [...waits].join());
  });

  it("sends a fatal error under a name of its own, and leaves the connection to the caller", async () => {
    const { res, response, answer } = await open();
    response.start();
    await response.fail({ code: "INTERNAL" });
    assert.equal(res.destroyed || res.writableEnded, false);
    const received = once(await answer(), "data");
    assert.equal(String((await received)[0]), 'event: stream_error\ndata: {"code":"INTERNAL"}\n\n');
    res.destroy();
  });

  it("keeps a fatal error on one line of data", async () => {
    const { response, answer } = await open();
    response.start();
    await response.fail("a\nb\r\nc\rd\n\nid: 9\n\n\x85\u2028\u2029");
    response.end();
    assert.equal(
      await text(await answer()),
      'event: stream_error\ndata: "a\\nb\\r\\nc\\rd\\n\\nid: 9\\n\\n\\u0085\\u2028\\u2029"\n\n',
    );
  });

  it("waits for a client that does not read, and sends it no heartbeats meanwhile", async () => {
    const { res, response, answer } = await open();
    response.start();
    const message = await answer();
    let settled = false;
    const sent = response.send("step_update", json(big)).then(() => (settled = true));
    assert.ok(res.writableNeedDrain);
    response.heartbeat();
    await once(message, "readable");
    assert.equal(settled, false);
    const received = text(message);
    await sent;
    response.end();
    assert.equal((await received).length, `retry: 2000\nevent: step_update\ndata: "${big}"\n\n`.length);
    for (const event of ["drain", "close"]) assert.ok(res.listenerCount(event) <= 1);
  });

  it("stops waiting when the client goes away, and does nothing more", async () => {
    const { res, response, client, answer, sent: told } = await open();
    response.start();
    const message = await answer();
    message.on("error", () => undefined);
    const sent = response.send("step_update", json(big));
    const failed = response.fail({ code: "INTERNAL" });
    client.destroy();
    await Promise.all([sent, failed]);
    assert.ok(res.destroyed);
    await response.send("step_update", json(1));
    await response.fail({ code: "INTERNAL" });
    response.heartbeat();
    assert.deepEqual(told, ["step_update", "stream_error"]);
  });

  it("leaves no listeners behind after many waits", async () => {
    const { res, response, answer } = await open();
    response.start();
    const received = text(await answer());
    const before = ["drain", "close", "error"].map((event) => res.listenerCount(event));
    for (let i = 0; i < 20; i++) await response.send("step_update", json(big.slice(0, 100_000)));
    assert.deepEqual(
      ["drain", "close", "error"].map((event) => res.listenerCount(event)),
      before,
    );
    response.end();
    await received;
  });

  it("sends the headers with the first event, where they were not sent before", async () => {
    const { response, answer } = await open();
    response.heartbeat();
    assert.equal(response.hasStarted, false);
    await response.send("step_update", json(1), 2n);
    assert.equal(response.hasStarted, true);
    response.start();
    response.end();
    const message = await answer();
    assert.equal(message.headers["content-type"], "text/event-stream");
    assert.equal(masked(await text(message)), "retry: 2000\nid: 2\nevent: step_update\ndata: 1\n\n");
  });

  it("breaks the connection when it is cut", async () => {
    const { response, answer } = await open();
    response.start();
    const message = await answer();
    response.abort();
    await assert.rejects(text(message), { code: "ECONNRESET" });
  });
});
