import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { coalesceBody } from "../../src/http/coalesced-body.ts";
import { suite } from "../support/gateway.ts";

const head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
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
      /** A request whose bytes are on their way. */
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

  it("makes 100,000 chunks of a byte into few, and keeps their order", async () => {
    const bytes = Array.from({ length: 100_000 }, (_, index) => String(index % 10));
    const { req } = await server().send(head + bytes.map(chunk).join("") + end);
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
      const { req } = await server().send(head + parts.map(chunk).join("") + end);
      assert.equal((await chunksOf(req)).join(""), parts.join(""));
    });

  it("passes on a body of known length, whether it comes at once or not", async () => {
    const known = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
    const whole = await server().send(`${known}abc`);
    assert.deepEqual(await chunksOf(whole.req), ["abc"]);
    const halved = await server().send(`${known}a`);
    const [first] = (await once(halved.req, "data")) as [Buffer];
    halved.socket.write("bc");
    assert.deepEqual([String(first), ...(await chunksOf(halved.req))], ["a", "bc"]);
  });

  it("does not wait for a chunk that is still to come", async () => {
    const { req, socket } = await server().send(head + chunk("a"));
    const [first] = (await once(req, "data")) as [Buffer];
    assert.equal(String(first), "a");
    socket.write(chunk("b") + end);
    assert.deepEqual(await chunksOf(req), ["b"]);
  });

  for (const [what, parts] of [
    ["chunks of a byte", chunk("a")],
    ["small chunks", chunk("a".repeat(1000))],
    ["chunks of which every other one is small", chunk("ab") + chunk("a".repeat(1024))],
    ["small chunks beside ones of a page", chunk("a") + chunk("b") + chunk("a".repeat(16 * 1024))],
  ] as const)
    it(`takes no more of a body that nobody reads than Node would, and in few pieces: ${what}`, async () => {
      const { req, socket } = await server().send(head + parts.repeat(Math.ceil(8_000_000 / parts.length)));
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

/** Asks for something else, and gets it. */
async function probe(port: number): Promise<void> {
  await (await fetch(`http://127.0.0.1:${port}/probe`)).text();
}
