import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Response } from "express";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { TracedLocals } from "../../src/http/stages.ts";
import { StreamRegistry } from "../../src/events/stream-registry.ts";
import type { OpenStream } from "../../src/events/stream-registry.ts";
import { serveEvents } from "../../src/events/serve-events.ts";
import { suite } from "../support/gateway.ts";
import { wholeShares } from "../support/key-shares.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { streamedEvent, writeJson } from "../support/streamed-event.ts";

/** Open streams that note what they are told of. */
class NotedStreams extends StreamRegistry {
  readonly notes: string[] = [];

  override add(stream: OpenStream): () => void {
    this.notes.push("add");
    const remove = super.add(stream);
    return () => {
      this.notes.push("remove");
      remove();
    };
  }

  override touch(): void {
    this.notes.push("touch");
  }
}

describe("serveEvents", () => {
  const server = suite(async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      request: async () =>
        (await once(server, "request")) as [IncomingMessage, Response<unknown, TracedLocals>],
      async close() {
        const closed = once(server, "close");
        server.close();
        server.closeAllConnections();
        await closed;
      },
    };
  });

  it("tells of every event that is sent, so that no heartbeat follows it at once, and notes its connection", async () => {
    const answer = fetch(server().url);
    const [, res] = await server().request();
    const { socket } = res;
    const noted: unknown[] = [];
    const streams = new NotedStreams({ checkMs: 1000, heartbeatMs: 1000 }, 1, wholeShares("event_streams"));
    await serveEvents(
      async (client) => {
        for (const event of [stepEvent(1n), workflowEvent(2n, JobState.SUCCEEDED)]) {
          const streamed = streamedEvent(event);
          await client.send({ event: streamed, text: await client.textOf(streamed), id: event.eventId });
          assert.throws(() => streamed.message.bytes, /disposed/);
        }
      },
      res,
      {
        streams,
        headStartMs: 1000,
        revalidation: undefined,
        writeJson,
        noteBuffered: (socket) => noted.push(socket),
        sent: () => undefined,
      },
    );
    await (await answer).text();
    assert.deepEqual(streams.notes, ["add", "touch", "touch", "remove"]);
    assert.deepEqual(noted, [socket, socket]);
  });
});
