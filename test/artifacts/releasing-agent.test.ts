import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent as HttpAgent, createServer, get } from "node:http";
import type { IncomingMessage } from "node:http";
import { Agent as HttpsAgent, createServer as createTlsServer, get as tlsGet } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { freeChunksAfterRead } from "../../src/artifacts/releasing-agent.ts";
import { suite } from "../support/gateway.ts";

const bytes = Buffer.from("0123456789abcdef".repeat(20_000));

// A shared key needs no certificate.
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
  describe(`releasingReads, over ${scheme}`, () => {
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

    /** The chunks of a body, of which there is one buffer each, and those that the socket has read meanwhile. */
    async function read() {
      const { url, agent } = server();
      const request = connect.get(url, { agent });
      const [socket] = (await once(request, "socket")) as [Socket];
      const reads: Buffer[] = [];
      const collect = (chunk: Buffer) => reads.push(chunk);
      socket.on("data", collect);
      const [answer] = (await once(request, "response")) as [IncomingMessage];
      const body: Buffer[] = [];
      for await (const chunk of answer) body.push(chunk);
      socket.off("data", collect);
      return { socket, reads, body };
    }

    it("delivers every body whole over a connection that is used again", async () => {
      const first = await read();
      const second = await read();
      assert.equal(second.socket, first.socket);
      for (const { body } of [first, second]) assert.ok(Buffer.concat(body).equals(bytes));
    });

    it("leaves nothing of what the socket has read", async () => {
      const { reads } = await read();
      assert.ok(reads.length > 0);
      assert.equal(
        reads.reduce((sum, { length }) => sum + length, 0),
        0,
      );
    });
  });
