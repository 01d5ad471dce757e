import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { respondWith, grpcHeader, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { poolClient } from "./transports.ts";
import { until } from "../support/until.ts";

/** HTTP/2 error codes. */
const refusedStream = 7;
const enhanceYourCalm = 11;

const respond = respondWith("w1");

/** A server whose first session holds its first call and refuses every later one, and a client. */
async function startRefusing(code: number) {
  const server = await startFrameServer();
  const { client, close } = poolClient(server.url);
  const held: ServerStream[] = [];
  const refused: ServerStream[] = [];
  server.serve = (stream) => held.push(stream);
  const first = client.submitWorkflow({});
  await until(() => held.length === 1);
  server.serve = (stream) => {
    if (stream.connection > 1) return respond(stream);
    refused.push(stream);
    stream.reset(code);
  };
  return {
    server,
    client,
    refused,
    /** Finishes the call in progress on the first session. */
    async finishFirst() {
      held.forEach(respond);
      await first;
    },
    async [Symbol.asyncDispose]() {
      await close();
      await server.close();
    },
  };
}

describe("Session: refused streams", () => {
  for (const code of [refusedStream, enhanceYourCalm])
    it(`is replaced after two streams with code ${code}; no read fails`, async () => {
      await using pair = await startRefusing(code);
      const { server, client, refused, finishFirst } = pair;
      await client.getWorkflow({});
      await Promise.all(Array.from({ length: 20 }, () => client.getWorkflow({})));
      assert.deepEqual([refused.length, server.connections.ever], [2, 2]);
      await finishFirst();
      await until(() => server.connections.now === 1);
    });

  it("fails no submission because of REFUSED_STREAM", async () => {
    await using pair = await startRefusing(refusedStream);
    await pair.client.submitWorkflow({});
    assert.equal(pair.server.connections.ever, 2);
    await pair.finishFirst();
  });

  it("fails two submissions because of ENHANCE_YOUR_CALM, which may have been processed", async () => {
    await using pair = await startRefusing(enhanceYourCalm);
    const { client, refused, finishFirst } = pair;
    for (let count = 1; count <= 2; count++) {
      await assert.rejects(client.submitWorkflow({}), { code: Code.Unavailable });
      assert.equal(refused.length, count);
    }
    await client.submitWorkflow({});
    assert.equal(refused.length, 2);
    await finishFirst();
  });

  it("is kept if it serves a stream between two refused ones", async () => {
    await using pair = await startRefusing(enhanceYourCalm);
    const { server, client, finishFirst } = pair;
    for (let count = 0; count < 5; count++) {
      server.serve = (stream) => stream.reset(enhanceYourCalm);
      await assert.rejects(client.submitWorkflow({}), { code: Code.Unavailable });
      server.serve = (stream) => stream.header({ ...grpcHeader, "grpc-status": "5" }, "ends");
      await assert.rejects(client.submitWorkflow({}), { code: Code.NotFound });
    }
    await finishFirst();
    assert.equal(server.connections.ever, 1);
  });
});
