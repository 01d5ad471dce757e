import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { createServer } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createServerStreamFunction } from "../../src/grpc/transport.ts";
import { suite } from "../support/gateway.ts";
import { frameType, grpcHeader, grpcMessage, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { readMaxBytes, poolClient, sessionPool } from "./transports.ts";
import { until } from "../support/until.ts";

const ok = { "grpc-status": "0" };

/** The function under test, over a session pool. */
function streamsOf(url: string) {
  const opener = sessionPool(url);
  const { streamWorkflowEvents } = OrchestratorService.method;
  const follow = createServerStreamFunction({ opener, pathPrefix: "", readMaxBytes }, streamWorkflowEvents);
  return { follow, close: () => Promise.resolve(opener.close()) };
}

describe("createServerStreamFunction", () => {
  const server = suite(startFrameServer);
  const streams = suite(() => Promise.resolve(streamsOf(server().url)));
  const follow = (signal?: AbortSignal) => {
    const events = streams().follow({ workflowId: "w" }, signal === undefined ? {} : { signal });
    return events[Symbol.asyncIterator]();
  };

  const twoMessages = (stream: ServerStream) => {
    stream.header(grpcHeader);
    stream.data(grpcMessage("w1"));
    stream.data(grpcMessage("w2"));
  };

  it("cancels the call and removes its abort listener when the iteration is left early", async () => {
    server().serve = twoMessages;
    const { signal } = new AbortController();
    const reset = server().next(frameType.reset);
    for await (const { workflowId } of streams().follow({}, { signal })) {
      assert.equal(workflowId, "w1");
      assert.equal(getEventListeners(signal, "abort").length, 1);
      break;
    }
    assert.equal((await reset).payload.readUInt32BE(), 8);
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  it("returns no more messages after the iteration is left", async () => {
    server().serve = twoMessages;
    const events = follow();
    await events.next();
    await events.next();
    const waiting = events.next();
    assert.deepEqual(await events.return(), { done: true, value: undefined });
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.deepEqual(await events.next(), { done: true, value: undefined });
  });

  it("rejects a call of `next` while another is pending, which still gets its message", async () => {
    server().serve = twoMessages;
    const events = follow();
    const first = events.next();
    await assert.rejects(events.next(), { message: "the stream already waits for a message" });
    assert.equal(((await first).value as { workflowId: string } | undefined)?.workflowId, "w1");
    await events.return();
  });

  it("rejects once with its error, after the messages before it", async () => {
    server().serve = (stream) => {
      twoMessages(stream);
      stream.header({ "grpc-status": "5" }, "ends");
    };
    const events = follow();
    assert.equal((await events.next()).value?.workflowId, "w1");
    assert.equal((await events.next()).value?.workflowId, "w2");
    await assert.rejects(events.next(), { code: Code.NotFound });
    assert.equal((await events.next()).done, true);
  });

  it("rejects with the server's error although the session is lost before all messages are read", async () => {
    const streams: ServerStream[] = [];
    server().serve = (stream) => streams.push(stream);
    const events = follow();
    const first = events.next();
    const other = follow().next();
    await until(() => streams.length >= 2);
    const [stream, otherStream] = streams;
    // A stream that has begun is not retried.
    for (const each of [otherStream, stream]) each?.header(grpcHeader);
    stream?.data(grpcMessage("w1"));
    await first;
    stream?.data(grpcMessage("w2"));
    stream?.data(grpcMessage("w3"));
    stream?.header({ "grpc-status": "5" }, "ends");
    stream?.goaway(stream.streamId, 2);
    await assert.rejects(other, { code: Code.Unavailable });
    assert.equal((await events.next()).value?.workflowId, "w2");
    assert.equal((await events.next()).value?.workflowId, "w3");
    await assert.rejects(events.next(), { code: Code.NotFound });
  });

  it("returns done after the end", async () => {
    server().serve = (stream) => stream.header({ ...grpcHeader, ...ok }, "ends");
    const events = follow();
    assert.equal((await events.next()).done, true);
    await follow().next();
    assert.equal((await events.next()).done, true);
  });

  it("discards unread messages when its signal aborts", async () => {
    server().serve = twoMessages;
    const controller = new AbortController();
    const events = follow(controller.signal);
    await events.next();
    controller.abort();
    await assert.rejects(events.next(), { code: Code.Canceled });
    assert.equal((await events.next()).done, true);
  });

  it("makes the call when the iteration begins", async () => {
    let requests = 0;
    server().serve = (stream) => {
      requests++;
      stream.header({ ...grpcHeader, ...ok }, "ends");
    };
    streams().follow({});
    await follow().next();
    assert.equal(requests, 1);
  });

  it("makes the server wait while no message is read", async () => {
    const total = 64;
    const message = grpcMessage("x".repeat(100));
    const bulk = Buffer.concat(Array.from({ length: 200 }, () => message));
    const http2 = createServer().on("stream", serve);
    let sending: ServerHttp2Stream | undefined;
    function serve(stream: ServerHttp2Stream, headers: { ":path"?: string }) {
      stream.resume();
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(ok));
      if (headers[":path"]?.endsWith("GetWorkflow")) return stream.end(grpcMessage("w1"));
      sending = stream;
      for (let count = 0; count < total; count++) stream.write(bulk);
      stream.end();
    }
    http2.listen(0, "127.0.0.1");
    await once(http2, "listening");
    const url = `http://127.0.0.1:${(http2.address() as AddressInfo).port}`;
    const slow = streamsOf(url);
    const calls = poolClient(url);
    const events = slow.follow({})[Symbol.asyncIterator]();
    await events.next();
    // More round trips than a stream without flow control needs.
    for (let count = 0; count < 200; count++) await calls.client.getWorkflow({});
    assert.ok((sending?.writableLength ?? 0) > (total * bulk.length) / 2);
    let taken = 1;
    while ((await events.next()).done !== true) taken++;
    assert.equal(taken, total * 200);
    await Promise.all([slow.close(), calls.close()]);
    await new Promise((resolve) => http2.close(resolve));
  });
});
