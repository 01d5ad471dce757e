import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createParser } from "eventsource-parser";
import { SseWriter } from "../../src/events/sse-writer.ts";
import { suite } from "../support/gateway.ts";

/** More than all the buffers between two sockets of one machine hold. */
const big = "x".repeat(32 * 1024 * 1024);

/** An event with data of several pieces, and whether it is disposed of. */
function eventOf(name: "step_update" | "workflow_update", value: unknown, id?: bigint) {
  const json = JSON.stringify(value);
  const event = {
    name,
    id,
    data: [json.slice(0, 1), "", json.slice(1)].map((text) => Buffer.from(text)),
    isDisposed: false,
    [Symbol.dispose]() {
      event.isDisposed = true;
    },
  };
  return event;
}

const stepOf = (value: unknown, id?: bigint) => eventOf("step_update", value, id);

/** Events as they would be if the wait before a reconnect, one to three seconds, were always the same. */
const masked = (events: string) => events.replace(/^retry: [12]\d{3}$/m, "retry: 2000");

describe("SseWriter", () => {
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

  /** A writer, its response, and the client that receives it. */
  async function open() {
    const client = get(server().url);
    const responded = once(client, "response") as Promise<[IncomingMessage]>;
    // A client may leave before its response.
    responded.catch(() => undefined);
    const [, res] = await server().request();
    const sent: string[] = [];
    const noted: unknown[] = [];
    return {
      res,
      sent,
      noted,
      writer: new SseWriter(res, {
        countEvent: (name) => sent.push(name),
        trackBuffered: (socket) => noted.push(socket),
      }),
      client,
      response: async () => (await responded)[0],
    };
  }

  it("sends the headers once, before there is an event", async () => {
    const { writer, response } = await open();
    writer.start();
    writer.start();
    const { statusCode, headers } = await response();
    assert.equal(statusCode, 200);
    assert.equal(headers["content-type"], "text/event-stream");
    assert.equal(headers["cache-control"], "no-store, no-transform");
    assert.equal(headers["x-accel-buffering"], "no");
    assert.equal(headers["content-length"], undefined);
    writer.end();
  });

  it("sends the headers before it aborts, so that no proxy responds instead", async () => {
    const { writer, response } = await open();
    writer.abort();
    const received = await response();
    assert.equal(received.statusCode, 200);
    await assert.rejects(text(received), { code: "ECONNRESET" });
  });

  it("writes the wait before a reconnect in the first event only, and heartbeats between events", async () => {
    const { writer, response } = await open();
    writer.start();
    writer.heartbeat();
    await writer.write(eventOf("workflow_update", { a: 1 }));
    await writer.write(stepOf({ b: 2 }, 7n));
    writer.heartbeat();
    writer.end();
    assert.equal(
      masked(await text(await response())),
      ':\nretry: 2000\nevent: workflow_update\ndata: {"a":1}\n\nid: 7\nevent: step_update\ndata: {"b":2}\n\n:\n',
    );
  });

  it("writes events that a parser reads back, with heartbeats in between", async () => {
    const { writer, response } = await open();
    writer.start();
    writer.heartbeat();
    await writer.write(stepOf({ text: "é🧬" }, 18446744073709551615n));
    writer.heartbeat();
    writer.heartbeat();
    await writer.write(eventOf("workflow_update", 2));
    writer.end();
    const events: unknown[] = [];
    createParser({ onEvent: (event) => events.push(event) }).feed(await text(await response()));
    assert.deepEqual(events, [
      { id: "18446744073709551615", event: "step_update", data: '{"text":"é🧬"}' },
      { id: undefined, event: "workflow_update", data: "2" },
    ]);
  });

  it("notes the connection of each event that is written", async () => {
    const { res, writer, response, noted } = await open();
    const { socket } = res;
    await writer.write(stepOf(1));
    writer.heartbeat();
    await writer.write(stepOf(2));
    writer.end();
    await text(await response());
    assert.deepEqual(noted, [socket, socket]);
  });

  it("writes a random wait before a reconnect", async () => {
    const waits = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const { writer, response } = await open();
      await writer.write(stepOf(1));
      writer.end();
      waits.add((await text(await response())).split("\n")[0]!);
    }
    assert.ok(waits.size > 1, [...waits].join());
  });

  it("writes a fatal error as stream_error, and leaves the connection to the caller", async () => {
    const { res, writer, response } = await open();
    writer.start();
    await writer.fail({ code: "INTERNAL" });
    assert.equal(res.destroyed || res.writableEnded, false);
    const received = once(await response(), "data");
    assert.equal(String((await received)[0]), 'event: stream_error\ndata: {"code":"INTERNAL"}\n\n');
    res.destroy();
  });

  it("writes a fatal error on one line of data", async () => {
    const { writer, response } = await open();
    writer.start();
    await writer.fail("a\nb\r\nc\rd\n\nid: 9\n\n\x85\u2028\u2029");
    writer.end();
    assert.equal(
      await text(await response()),
      'event: stream_error\ndata: "a\\nb\\r\\nc\\rd\\n\\nid: 9\\n\\n\\u0085\\u2028\\u2029"\n\n',
    );
  });

  it("waits for a client that does not read, without heartbeats and without the event", async () => {
    const { res, writer, response } = await open();
    writer.start();
    const message = await response();
    let settled = false;
    const event = stepOf(big);
    const sent = writer.write(event).then(() => (settled = true));
    assert.ok(res.writableNeedDrain);
    assert.ok(event.isDisposed);
    writer.heartbeat();
    await once(message, "readable");
    assert.equal(settled, false);
    const received = text(message);
    await sent;
    writer.end();
    assert.equal((await received).length, `retry: 2000\nevent: step_update\ndata: "${big}"\n\n`.length);
    for (const event of ["drain", "close"]) assert.ok(res.listenerCount(event) <= 1);
  });

  it("stops waiting when the client leaves, and writes nothing more", async () => {
    const { res, writer, client, response, sent: counted } = await open();
    writer.start();
    const message = await response();
    message.on("error", () => undefined);
    const sent = writer.write(stepOf(big));
    const failed = writer.fail({ code: "INTERNAL" });
    client.destroy();
    await Promise.all([sent, failed]);
    assert.ok(res.destroyed);
    const late = stepOf(1);
    await writer.write(late);
    assert.ok(late.isDisposed);
    await writer.fail({ code: "INTERNAL" });
    writer.heartbeat();
    assert.deepEqual(counted, ["step_update", "stream_error"]);
  });

  it("removes its listeners after each wait", async () => {
    const { res, writer, response } = await open();
    writer.start();
    const received = text(await response());
    const before = ["drain", "close", "error"].map((event) => res.listenerCount(event));
    for (let i = 0; i < 20; i++) await writer.write(stepOf(big.slice(0, 100_000)));
    assert.deepEqual(
      ["drain", "close", "error"].map((event) => res.listenerCount(event)),
      before,
    );
    writer.end();
    await received;
  });

  it("sends the headers with the first event where they are not sent yet", async () => {
    const { writer, response } = await open();
    writer.heartbeat();
    assert.equal(writer.areHeadersSent, false);
    await writer.write(stepOf(1, 2n));
    assert.equal(writer.areHeadersSent, true);
    writer.start();
    writer.end();
    const message = await response();
    assert.equal(message.headers["content-type"], "text/event-stream");
    assert.equal(masked(await text(message)), "retry: 2000\nid: 2\nevent: step_update\ndata: 1\n\n");
  });

  it("destroys the connection when it is aborted", async () => {
    const { writer, response } = await open();
    writer.start();
    const message = await response();
    writer.abort();
    await assert.rejects(text(message), { code: "ECONNRESET" });
  });
});
