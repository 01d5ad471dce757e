import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent as HttpAgent, createServer, get } from "node:http";
import type { IncomingMessage } from "node:http";
import { Agent as HttpsAgent, createServer as createTlsServer, get as tlsGet } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { freeChunk, freeChunksAfterRead } from "../../src/artifacts/chunk-memory.ts";
import { suite } from "../support/gateway.ts";

describe("freeChunk", () => {
  it("detaches the buffer of a chunk that owns it", () => {
    const chunk = Buffer.alloc(100_000, 1);
    freeChunk(chunk);
    assert.deepEqual([chunk.length, chunk.buffer.byteLength], [0, 0]);
  });

  const whole = Buffer.alloc(10, 1);
  for (const [what, chunk] of [
    ["a view of the beginning", whole.subarray(0, 9)],
    ["a view of the end", whole.subarray(1)],
    ["a chunk of Node's pool", Buffer.from("pooled")],
    ["shared memory", Buffer.from(new SharedArrayBuffer(10))],
  ] as const)
    it(`does not free ${what}`, () => {
      const copy = Buffer.from(chunk);
      freeChunk(chunk);
      assert.ok(chunk.equals(copy));
    });

  it("ignores a chunk without bytes, such as one that was freed before", () => {
    for (const chunk of [Buffer.alloc(0), Buffer.alloc(10)]) {
      freeChunk(chunk);
      freeChunk(chunk);
      assert.equal(chunk.length, 0);
    }
  });
});

const bytes = Buffer.from("0123456789abcdef".repeat(20_000));

// A pre-shared key needs no certificate.
const key = Buffer.alloc(16, 1);
const tls = {
  ciphers: "PSK-AES128-GCM-SHA256",
  maxVersion: "TLSv1.2",
  pskCallback: () => ({ psk: key, identity: "test" }),
  checkServerIdentity: () => undefined,
} as const;

for (const [scheme, connect] of [
  ["http", { listen: createServer, get, agent: () => new HttpAgent({ keepAlive: true }) }],
  [
    "https",
    {
      listen: (serve: Parameters<typeof createServer>[1]) =>
        createTlsServer({ ...tls, pskCallback: () => key }, serve),
      get: tlsGet,
      agent: () => new HttpsAgent({ keepAlive: true, ...tls }),
    },
  ],
] as const)
  describe(`freeChunksAfterRead, over ${scheme}`, () => {
    const server = suite(async () => {
      const server = connect.listen((_req, res) => res.end(bytes));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const agent = freeChunksAfterRead(connect.agent());
      return {
        url: `${scheme}://127.0.0.1:${port}`,
        agent,
        async close() {
          agent.destroy();
          await new Promise((resolve) => server.close(resolve));
        },
      };
    });

    /** The chunks of a body, each with a buffer of its own, and the chunks that the socket has read. */
    async function read() {
      const { url, agent } = server();
      const request = connect.get(url, { agent });
      const [socket] = (await once(request, "socket")) as [Socket];
      const reads: Buffer[] = [];
      const collect = (chunk: Buffer) => reads.push(chunk);
      socket.on("data", collect);
      const [response] = (await once(request, "response")) as [IncomingMessage];
      const body: Buffer[] = [];
      for await (const chunk of response) body.push(chunk);
      socket.off("data", collect);
      return { socket, reads, body };
    }

    it("delivers complete bodies over a reused connection", async () => {
      const first = await read();
      const second = await read();
      assert.equal(second.socket, first.socket);
      for (const { body } of [first, second]) assert.ok(Buffer.concat(body).equals(bytes));
    });

    it("frees every chunk that the socket has read", async () => {
      const { reads } = await read();
      assert.ok(reads.length > 0);
      assert.equal(
        reads.reduce((sum, { length }) => sum + length, 0),
        0,
      );
    });
  });
