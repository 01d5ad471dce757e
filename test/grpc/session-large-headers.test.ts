import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { respondWith, frameType, grpcHeader, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { poolClient } from "./transports.ts";
import { until } from "../support/until.ts";

const kib = 1024;

const respond = respondWith("w1");

/** Ends a call with a message of this length. */
function failWith(length: number): (stream: ServerStream) => void {
  return (stream) => {
    const status = { "grpc-status": "3", "grpc-message": "x".repeat(length) };
    stream.header({ ...grpcHeader, ...status }, "ends");
  };
}

/** A server that holds its requests, and a client with a session that has received the server's settings. */
async function startPair() {
  const server = await startFrameServer();
  const { client, close } = poolClient(server.url);
  server.serve = respond;
  await client.getWorkflow({});
  const held: ServerStream[] = [];
  server.serve = (stream) => held.push(stream);
  return {
    server,
    client,
    held,
    async [Symbol.asyncDispose]() {
      await close();
      await server.close();
    },
  };
}

describe("Session: large response headers", () => {
  it("announces a limit of 32 KiB", async () => {
    await using pair = await startPair();
    const settings = Promise.withResolvers<Buffer>();
    const { server, client } = pair;
    server.onFrame = ({ type, flags, payload }) => {
      if (type === frameType.settings && flags === 0) settings.resolve(payload);
    };
    // The other client opens a new session.
    const { client: another, close } = poolClient(server.url);
    server.serve = respond;
    await Promise.all([client.getWorkflow({}), another.getWorkflow({})]);
    const payload = await settings.promise;
    const entries = new Map<number, number>();
    for (let at = 0; at < payload.length; at += 6) {
      entries.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    // SETTINGS_MAX_HEADER_LIST_SIZE
    assert.equal(entries.get(6), 32 * kib);
    await close();
  });

  it("accepts headers of 31 KiB", async () => {
    await using pair = await startPair();
    const { server, client } = pair;
    server.serve = failWith(31 * kib);
    const error = { code: Code.InvalidArgument, rawMessage: "x".repeat(31 * kib) };
    await assert.rejects(client.getWorkflow({}), error);
    await assert.rejects(client.submitWorkflow({}), error);
  });

  for (const length of [33 * kib, 65 * kib, 300 * kib, 500 * kib])
    it(`fails only one call for headers of ${length / kib} KiB, and keeps the session`, async () => {
      await using pair = await startPair();
      const { server, client, held } = pair;
      const neighbours = [client.getWorkflow({}), client.submitWorkflow({})];
      await until(() => held.length === 2);
      let served = 0;
      server.serve = (stream) => {
        served += 1;
        failWith(length)(stream);
      };
      const error = { code: Code.Internal, rawMessage: /header list is larger than 32768 bytes/ };
      await assert.rejects(client.getWorkflow({}), error);
      await assert.rejects(client.submitWorkflow({}), error);
      held.forEach(respond);
      await Promise.all(neighbours);
      assert.deepEqual([served, server.connections.ever], [2, 1]);
    });

  for (const length of [513 * kib, 2000 * kib]) {
    it(`retries reads on dedicated sessions after headers of ${length / kib} KiB have broken the session`, async () => {
      await using pair = await startPair();
      const { server, client, held } = pair;
      const reads = Array.from({ length: 5 }, () => client.getWorkflow({}));
      await until(() => held.length === 5);
      const culprit = client.getWorkflow({ workflowId: "long" });
      await until(() => held.length === 6);
      const retried: ServerStream[] = [];
      server.serve = (stream) => retried.push(stream);
      server.onFrame = ({ type, payload }) => {
        if (type !== frameType.data) return;
        (payload.includes("long") ? failWith(length) : respond)(retried.at(-1) as ServerStream);
      };
      failWith(length)(held.at(-1) as ServerStream);
      await assert.rejects(culprit, { code: Code.Internal });
      await Promise.all(reads);
      assert.equal(retried.length, 6);
      assert.equal(new Set(retried.map(({ connection }) => connection)).size, 6);
      await until(() => server.connections.now === 0);
    });

    it(`does not retry the only call of a session that was broken by its headers of ${length / kib} KiB`, async () => {
      await using pair = await startPair();
      const { server, client, held } = pair;
      for (const call of [() => client.getWorkflow({}), () => client.submitWorkflow({})]) {
        const { ever } = server.connections;
        const before = held.length;
        const lost = call();
        await until(() => held.length === before + 1);
        failWith(length)(held.at(-1) as ServerStream);
        await assert.rejects(lost, { code: Code.Internal });
        server.serve = respond;
        await client.submitWorkflow({});
        server.serve = (stream) => held.push(stream);
        assert.equal(held.length, before + 1);
        assert.equal(server.connections.ever, ever + 1);
      }
    });
  }

  it("rejects a stream with too large trailers, and retries the other calls of its session", async () => {
    await using pair = await startPair();
    const { server, client, held } = pair;
    const first = () => client.streamWorkflowEvents({})[Symbol.asyncIterator]().next();
    const neighbours = [first(), first()];
    const lost = first();
    await until(() => held.length === 3);
    const later: ServerStream[] = [];
    server.serve = (stream) => later.push(stream);
    failWith(600 * kib)(held[2] as ServerStream);
    await until(() => later.length === 3);
    // One of the retried calls gets too large headers again.
    failWith(600 * kib)(later[2] as ServerStream);
    later.slice(0, 2).forEach(respond);
    const ends = await Promise.allSettled([...neighbours, lost]);
    assert.deepEqual(ends.map(({ status }) => status).sort(), ["fulfilled", "fulfilled", "rejected"]);
    const codes = ends.flatMap((end) =>
      end.status === "rejected" ? [(end.reason as { code: Code }).code] : [],
    );
    assert.deepEqual(codes, [Code.Internal]);
  });
});
