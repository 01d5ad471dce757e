import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createContextValues } from "@connectrpc/connect";
import express from "express";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { defaultRetryPolicy } from "../../src/events/retry-policy.ts";
import { StreamRegistry } from "../../src/events/stream-registry.ts";
import type { OpenStream } from "../../src/events/stream-registry.ts";
import { unboundedMemory } from "../../src/grpc/index.ts";
import { streamWorkflowEvents } from "../../src/handlers/events.ts";
import { wholeShares } from "../support/key-shares.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { artifactList, basicTranscoders, transcoders } from "../mapping/transcode.ts";
import { eventMessage, writeJson } from "../support/scripted-upstream.ts";

/** A registry that records how it is used. */
class RecordingRegistry extends StreamRegistry {
  readonly calls: string[] = [];

  override add(stream: OpenStream) {
    this.calls.push("add");
    const registration = super.add(stream);
    return {
      recordSent: () => this.calls.push("recordSent"),
      [Symbol.dispose]: () => {
        this.calls.push("dispose");
        registration[Symbol.dispose]();
      },
    };
  }
}

describe("streamWorkflowEvents", () => {
  it("touches its registration at each event, so that no heartbeat follows at once, and disposes of all it holds", async () => {
    const messages = [stepEvent(1n), workflowEvent(2n, JobState.SUCCEEDED)].map(eventMessage);
    const streams = new RecordingRegistry(
      { checkMs: 1000, heartbeatMs: 1000 },
      1,
      wholeShares("event_streams"),
    );
    const counted: string[] = [];
    // As far as the handler uses them.
    const handler = streamWorkflowEvents({
      orchestrator: {
        async *streamWorkflowEvents() {
          yield* await Promise.resolve(messages);
        },
      },
      authenticator: { revalidationOf: () => undefined },
      streams,
      retryPolicy: defaultRetryPolicy,
      searchMemory: unboundedMemory,
      writeJson,
      transcoders: { full: transcoders, basic: basicTranscoders, artifactList },
      trackBuffered: () => undefined,
      metrics: { countEvent: (name: string) => counted.push(name) },
    } as never);
    const app = express().get("/:id", (req, res) => {
      const callOptions = {
        signal: new AbortController().signal,
        timeoutMs: 5000,
        headers: {},
        contextValues: createContextValues(),
      };
      Object.assign(res.locals, { callOptions, caller: { kind: "admin", token: "current" }, trace: {} });
      return handler(req as never, res as never);
    });
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/w1`);
      assert.match(await response.text(), /^id: 2$/m);
      assert.deepEqual(streams.calls, ["add", "recordSent", "recordSent", "dispose"]);
      assert.deepEqual(counted, ["step_update", "workflow_update"]);
      for (const message of messages) assert.throws(() => message.bytes, /disposed/);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
