import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { coalesceBody } from "../../src/http/connections.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { sendText } from "../support/raw-http.ts";
import { workflowIn } from "../support/samples.ts";
import { serve } from "../support/serve.ts";
import { whenAborted, callsDuring, deferred, startStack } from "../support/stack.ts";

const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;

/** A server that records its requests; the test responds to them. */
async function startNotedServer() {
  const begun: string[] = [];
  let unanswered: ServerResponse[] = [];
  let wake = deferred<undefined>();
  const { url, drain, close } = await serve((req, res) => {
    begun.push(req.url ?? "");
    unanswered.push(res);
    wake.resolve(undefined);
    wake = deferred();
  });
  return {
    url,
    drain,
    begun,
    /** The response to the next request. */
    async next() {
      while (unanswered.length === 0) await wake.promise;
      const [first, ...others] = unanswered;
      unanswered = others;
      return first!;
    },
    close: () => close(0),
  };
}

describe("Connections", () => {
  const server = suite(startNotedServer);

  function open() {
    const { hostname, port } = new URL(server().url);
    const socket = connect(Number(port), hostname).on("error", () => undefined);
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => (text += part));
    return {
      socket,
      async received(part: string) {
        while (!text.includes(part)) await once(socket, "data");
        return text;
      },
    };
  }

  it("serves pipelined requests one after another", async () => {
    const { socket, received } = open();
    socket.write(get("/1") + get("/2") + get("/3"));
    for (const n of [1, 2, 3]) {
      const res = await server().next();
      assert.equal(server().begun.at(-1), `/${n}`);
      res.end(`response ${n}`);
      await received(`response ${n}`);
    }
    socket.destroy();
  });

  it("serves no pipelined request of a client that has disconnected", async () => {
    const { socket } = open();
    socket.write(get("/aborted") + get("/never"));
    const res = await server().next();
    socket.destroy();
    await once(res, "close");
    assert.equal(server().begun.at(-1), "/aborted");
  });

  it("serves nothing after the last response of a connection", async () => {
    const { socket, received } = open();
    socket.write(get("/last") + get("/after-last"));
    const res = await server().next();
    res.setHeader("Connection", "close").end("done");
    await Promise.all([received("done"), once(socket, "close")]);
    assert.equal(server().begun.at(-1), "/last");
  });

  it("serves nothing that is read after the last response of a connection", async () => {
    const begun: string[] = [];
    const { url, close } = await serve((req, res) => {
      begun.push(req.url ?? "");
      res.setHeader("Connection", "close").end("done");
    });
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname).on("error", () => undefined);
    // More than Node reads at a time.
    socket.write(get("/last") + get("/after-last", `X: ${"x".repeat(12_000)}\r\n`).repeat(12));
    await once(socket.resume(), "close");
    await close(0);
    assert.deepEqual(begun, ["/last"]);
  });

  it("closes the connection at the 17th pipelined request", async () => {
    const { socket } = open();
    socket.write(get("/flood").repeat(18));
    await once(socket, "close");
    assert.deepEqual(
      server().begun.filter((path) => path === "/flood"),
      ["/flood"],
    );
    await server().next();
  });

  it("serves 16 pipelined requests", async () => {
    const { socket } = open();
    socket.write(get("/many").repeat(17));
    for (let i = 0; i < 17; i += 1) (await server().next()).end();
    socket.destroy();
  });

  /** A whole request with a body of 60 KiB. */
  const upload = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 61440\r\n\r\n${"x".repeat(61_440)}`;

  it("closes the connection at more than 64 KiB of pipelined bodies", async () => {
    const { socket } = open();
    socket.write(get("/bodies") + upload("/a") + upload("/b") + upload("/c"));
    // Not `once` of node:events, which rejects when what was sent and never read resets the connection.
    await new Promise((resolve) => socket.once("close", resolve));
    assert.equal(server().begun.at(-1), "/bodies");
    await server().next();
  });

  it("serves two pipelined requests with bodies", async () => {
    const { socket } = open();
    socket.write(get("/first") + upload("/a") + upload("/b"));
    for (const path of ["/first", "/a", "/b"]) {
      const res = await server().next();
      assert.equal(server().begun.at(-1), path);
      res.req.resume().once("end", () => res.end());
    }
    socket.destroy();
  });

  it("closes the connection after a request whose body is not read", async () => {
    const { socket, received } = open();
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
    (await server().next()).end("done");
    await Promise.all([received("done"), once(socket, "close")]);
  });

  it("lets a client that is still sending read the whole response", async () => {
    const { hostname, port } = new URL(server().url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
    // More than the server's buffers take: some of it is never read.
    socket.write(Buffer.alloc(50_000_000));
    const response = text(socket);
    (await server().next()).end("done");
    // It would be rejected by a reset.
    assert.match(await response, /done$/);
    socket.destroy();
  });

  it("closes every connection with its next response once it drains", async () => {
    const [early, late] = [open(), open()];
    early.socket.write(get("/early"));
    const earlyResponse = await server().next();
    late.socket.write(get("/streaming"));
    const begun = await server().next();
    begun.write("begun");
    const closed = [early, late].map(({ socket }) => once(socket, "close"));
    server().drain();
    earlyResponse.end("early");
    begun.end("late");
    assert.match(await early.received("early"), /^connection: close\r$/im);
    assert.match(await late.received("late"), /^connection: keep-alive\r$/im);
    late.socket.write(get("/again"));
    (await server().next()).end("again");
    await Promise.all([late.received("close"), ...closed]);
  });
});

describe("a connection of the gateway", () => {
  const stack = suite(() => startStack());
  const authorization = `Authorization: Bearer ${adminToken}\r\n`;

  it("serves no request behind one with invalid framing", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    const valid = get("/v1/workflows/w1", authorization);
    const calls = await callsDuring(stack().upstream, async () => {
      const text = await sendText(
        stack().gateway.url,
        get("/v1/workflows/w1", `${authorization}Host: y\r\n`) + valid,
      );
      assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1);
      assert.match(text, /^HTTP\/1\.1 400 /);
    });
    assert.deepEqual(calls, []);
  });

  it("cancels the call of a client that has disconnected, and makes none for its pipelined requests", async () => {
    const begun = deferred();
    const cancelled = deferred();
    stack().upstream.rpcs.getWorkflow = async (_request, context) => {
      begun.resolve();
      await whenAborted(context.signal);
      cancelled.resolve();
      return workflowIn(JobState.RUNNING);
    };
    const calls = await callsDuring(stack().upstream, async () => {
      const { hostname, port } = new URL(stack().gateway.url);
      const socket = connect(Number(port), hostname);
      socket.write(get("/v1/workflows/w1", authorization) + get("/v1/workflows/w1/events", authorization));
      await begun.promise;
      socket.destroy();
      await cancelled.promise;
    });
    assert.deepEqual(
      calls.map(({ rpc }) => rpc),
      ["GetWorkflow"],
    );
  });
});

const headers = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const end = "0\r\n\r\n";

describe("coalesceBody", () => {
  const server = suite(async () => {
    const bodies = new EventEmitter();
    const server = createServer((req, res) => {
      if (req.method === "GET") return void res.end();
      coalesceBody(req);
      bodies.emit("request", req);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
      port,
      /** A request whose body is in transit. */
      async send(text: string) {
        const socket = connect(port, "127.0.0.1").on("error", () => undefined);
        socket.write(text);
        const [req] = (await once(bodies, "request")) as [IncomingMessage];
        return { req, socket };
      },
      async close() {
        const closed = once(server, "close");
        server.close();
        server.closeAllConnections();
        await closed;
      },
    };
  });

  async function chunksOf(req: IncomingMessage): Promise<string[]> {
    const chunks: string[] = [];
    req.on("data", (part: Buffer) => chunks.push(String(part)));
    await once(req, "end");
    return chunks;
  }

  it("merges 100,000 chunks of a byte into few, in order", async () => {
    const bytes = Array.from({ length: 100_000 }, (_, index) => String(index % 10));
    const { req } = await server().send(headers + bytes.map(chunk).join("") + end);
    const chunks = await chunksOf(req);
    assert.equal(chunks.join(""), bytes.join(""));
    assert.ok(chunks.length < 200, `${chunks.length} chunks`);
  });

  for (const [what, parts] of [
    ["one small chunk", ["a"]],
    ["small chunks around a large one", ["a", "b", "x".repeat(5000), "c", "d"]],
    ["more than a page", Array.from({ length: 50 }, (_, index) => String(index % 10).repeat(1000))],
    [
      "chunks just below and at the limit of what is small",
      ["a".repeat(1023), "b".repeat(1024), "c".repeat(1023)],
    ],
    ["nothing", []],
  ] as const)
    it(`passes on ${what}`, async () => {
      const { req } = await server().send(headers + parts.map(chunk).join("") + end);
      assert.equal((await chunksOf(req)).join(""), parts.join(""));
    });

  it("passes on a body of known length, in one chunk or several", async () => {
    const known = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
    const whole = await server().send(`${known}abc`);
    assert.deepEqual(await chunksOf(whole.req), ["abc"]);
    const halved = await server().send(`${known}a`);
    const [first] = (await once(halved.req, "data")) as [Buffer];
    halved.socket.write("bc");
    assert.deepEqual([String(first), ...(await chunksOf(halved.req))], ["a", "bc"]);
  });

  it("does not wait for later chunks", async () => {
    const { req, socket } = await server().send(headers + chunk("a"));
    const [first] = (await once(req, "data")) as [Buffer];
    assert.equal(String(first), "a");
    socket.write(chunk("b") + end);
    assert.deepEqual(await chunksOf(req), ["b"]);
  });

  for (const [what, parts] of [
    ["chunks of a byte", chunk("a")],
    ["small chunks", chunk("a".repeat(1000))],
    ["small and large chunks in turn", chunk("ab") + chunk("a".repeat(1024))],
    ["small chunks and chunks of a page", chunk("a") + chunk("b") + chunk("a".repeat(16 * 1024))],
  ] as const)
    it(`buffers no more of an unread body than Node would, in few chunks: ${what}`, async () => {
      const { req, socket } = await server().send(
        headers + parts.repeat(Math.ceil(8_000_000 / parts.length)),
      );
      // Each is a round of the event loop in which the server could have read more.
      for (let round = 0; round < 300; round += 1) await probe(server().port);
      assert.ok(socket.writableLength > 0, "all was taken");
      assert.ok(req.socket.bytesRead < 1_000_000, `${req.socket.bytesRead} bytes were read`);
      const held: Buffer[] = [];
      req.on("data", (piece: Buffer) => held.push(piece));
      await once(req, "data");
      const bytes = held.reduce((sum, piece) => sum + piece.length, 0);
      // Small buffers are parts of a larger one.
      const buffers = new Set(held.map(({ buffer }) => buffer));
      const memory = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 450 * held.length);
      assert.ok(bytes > 50_000 && bytes < 150_000, `${bytes} bytes`);
      assert.ok(memory < 4 * bytes, `${memory} bytes of memory in ${held.length} pieces`);
      socket.destroy();
    });
});

/** Makes a request on another connection, and reads its response. */
async function probe(port: number): Promise<void> {
  await (await fetch(`http://127.0.0.1:${port}/probe`)).text();
}
