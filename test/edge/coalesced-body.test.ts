import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { coalesceBody } from "../../src/edge/coalesced-body.ts";
import { suite } from "../support/gateway.ts";

const head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const end = "0\r\n\r\n";

describe("coalesceBody", () => {
  const server = suite(async () => {
    const server = createServer((req) => coalesceBody(req)).listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      /** A request whose bytes are on their way. */
      async send(text: string) {
        const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
        socket.write(text);
        const [req] = (await once(server, "request")) as [IncomingMessage];
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
    for await (const part of req) chunks.push(String(part));
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

  it("holds of a body that nobody reads no more than Node's own limit, in few pieces", async () => {
    const { req, socket } = await server().send(head + chunk("a").repeat(400_000));
    await new Promise<void>((resolve) => {
      // Nobody takes what the client still has to send.
      socket.on("drain", () => assert.fail("all was taken"));
      const held = () => (req.readableLength > 60_000 ? resolve() : void setImmediate(held));
      held();
    });
    const held = req.readableLength;
    assert.ok(held < 100_000, `${held} bytes`);
    const pieces: number[] = [];
    req.on("data", ({ length }: Buffer) => pieces.push(length));
    while (pieces.reduce((sum, length) => sum + length, 0) < held) await once(req, "data");
    assert.ok(pieces.length < 20, `${pieces.length} pieces`);
    socket.destroy();
  });
});
