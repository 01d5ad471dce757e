import { once } from "node:events";
import { createServer } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  DesignedSequenceSchema,
  OrchestratorService,
  StepStatusSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { workflowEvent, workflowIn } from "../support/samples.ts";
import { deferred } from "../support/stack.ts";

/** An orchestrator with one workflow whose events exceed every buffer. */
export interface Flood {
  readonly url: string;
  /** How many events each stream has been given so far, in the order of their beginning. */
  readonly given: readonly number[];
  /** Resolves once `isSo` holds for the number of open streams; checked whenever a stream opens, closes or sends. */
  until(isSo: (openStreams: number) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** The size of each event but the last, in bytes. */
const eventBytes = 64 * 1024;

const headers = { ":status": 200, "content-type": "application/grpc+proto" };

/**
 * Starts it. Sends each stream `events` large events as fast as it accepts them, then the terminal event. The messages
 * are encoded in advance, so that the test does not measure their encoding.
 */
export async function startFlood(events: number): Promise<Flood> {
  const frames = [
    ...Array.from({ length: events }, (_, index) => largeEvent(BigInt(index + 1))),
    workflowEvent(BigInt(events + 1), JobState.SUCCEEDED),
  ].map((event) => encodeEnvelope(toBinary(WorkflowEventSchema, event)));
  const workflow = encodeEnvelope(toBinary(WorkflowSchema, workflowIn(JobState.RUNNING)));
  const given: number[] = [];
  const sessions = new Set<ServerHttp2Session>();
  let open = 0;
  let changed = deferred();

  function notifyChanged(): void {
    changed.resolve();
    changed = deferred();
  }

  async function feed(stream: ServerHttp2Stream): Promise<void> {
    const index = given.push(0) - 1;
    let drained = deferred();
    stream.on("drain", () => drained.resolve());
    stream.on("close", () => {
      open -= 1;
      drained.resolve();
      notifyChanged();
    });
    open += 1;
    for (const [count, frame] of frames.entries()) {
      if (stream.destroyed) return;
      drained = deferred();
      if (!stream.write(frame)) await drained.promise;
      given[index] = count + 1;
      notifyChanged();
    }
    stream.end();
  }

  // The default memory of a session, in MiB, is used up by fewer streams that wait.
  const server = createServer({ maxSessionMemory: 1000 });
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream, { ":path": path = "" }) => {
    stream.on("error", () => undefined).resume();
    stream.respond(headers, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    if (path.endsWith(OrchestratorService.method.streamWorkflowEvents.name)) void feed(stream);
    else stream.end(workflow);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    given,
    async until(isSo) {
      while (!isSo(open)) await changed.promise;
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

function largeEvent(eventId: bigint): WorkflowEvent {
  const sequences = [create(DesignedSequenceSchema, { fasta: "M".repeat(eventBytes) })];
  const value = create(StepStatusSchema, { stepId: "a", state: JobState.RUNNING, sequences });
  return create(WorkflowEventSchema, { workflowId: "w1", eventId, event: { case: "stepUpdate", value } });
}
