import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { TerminalDetection } from "../../src/events/terminal-detection.ts";
import { createTerminalSearch } from "../../src/events/terminal-search.ts";
import type { WorkflowStatus } from "../../src/mapping/workflow-event.ts";
import { openUpstreamStream, UpstreamEvent } from "../../src/events/upstream-stream.ts";
import { suite } from "../support/gateway.ts";
import { encodedClientSuite } from "../support/orchestrator.ts";
import { startUpstream } from "../support/upstream.ts";

const { RUNNING, FAILED, SUCCEEDED } = JobState;

/** A stored event that reports the workflow in `state` since a time. */
function stored(eventId: bigint, state: JobState, second?: number) {
  const time = second === undefined ? {} : { updatedAt: { seconds: BigInt(second) } };
  const value = create(WorkflowSchema, { id: "w1", state, ...time });
  return create(WorkflowEventSchema, { workflowId: "w1", eventId, event: { case: "workflowUpdate", value } });
}

/** The terminal status of the workflow, since event 9. */
const succeeded: WorkflowStatus = {
  state: SUCCEEDED,
  updatedAt: create(TimestampSchema, { seconds: 9n }),
};

const log = [stored(2n, RUNNING, 2), stored(5n, FAILED, 5), stored(6n, RUNNING, 6), stored(9n, SUCCEEDED, 9)];

describe("TerminalDetection", () => {
  const upstream = suite(startUpstream);
  const client = encodedClientSuite(upstream);

  interface Scene {
    readonly fromEventId: bigint;
    /** The status of the workflow. */
    readonly status?: WorkflowStatus;
    readonly idleTimeoutMs?: number;
    readonly eventTimeoutMs?: number;
    readonly signal?: AbortSignal;
  }

  /** Reads the ids of at most `most` events of one stream; `end` is why there were no more. */
  async function readIds(
    {
      fromEventId,
      status = { state: RUNNING },
      idleTimeoutMs = 20,
      eventTimeoutMs = 5000,
      signal = new AbortController().signal,
    }: Scene,
    { most = Infinity, recordUpdates = false } = {},
  ) {
    const call = { signal, timeoutMs: eventTimeoutMs, headers: {}, contextValues: createContextValues() };
    const openStream = (from: bigint) => openUpstreamStream(client(), "w1", from, call);
    const timeouts = { idleTimeoutMs, eventTimeoutMs };
    const readWorkflow = () => Promise.resolve(status);
    const detection = new TerminalDetection(
      () => createTerminalSearch({ readWorkflow, openStream, ...timeouts }),
      timeouts,
    );
    await detection.refreshPhase();
    await using stream = openStream(fromEventId);
    const ids: bigint[] = [];
    let lastEventId = fromEventId;
    while (ids.length < most) {
      const event = await detection.next(stream);
      if (!(event instanceof UpstreamEvent)) {
        const isComplete = event === "complete" || (await detection.hasAllEvents(stream, lastEventId));
        return { ids, end: isComplete ? "complete" : "ended-early", detection };
      }
      using received = event;
      lastEventId = received.eventId;
      ids.push(lastEventId);
      if (recordUpdates && received.update !== undefined) detection.recordUpdate(received.update);
    }
    return { ids, end: undefined, detection };
  }

  /** Streams the `events` after the requested id, and stays open. */
  function streamOpen(events = log) {
    upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
      yield* events.filter(({ eventId }) => eventId > fromEventId);
      await once(signal, "abort");
    };
  }

  /** So many round trips to the upstream. */
  async function roundTrips(count: number) {
    for (let i = 0; i < count; i += 1) await client().getWorkflow({ workflowId: "w1" });
  }

  for (const [what, before] of [
    ["the first", []],
    ["each later", [stored(1n, RUNNING, 1)]],
  ] as const)
    it(`waits for the deadline of a call, and no less, for ${what} event of a terminal workflow`, async () => {
      const ids = before.map(({ eventId }) => eventId);
      upstream().rpcs.getWorkflow = () => ({});
      upstream().rpcs.streamWorkflowEvents = async function* () {
        yield* before;
        // Longer than the idle timeout.
        await roundTrips(3);
        yield stored(2n, RUNNING, 2);
      };
      const scene = { fromEventId: 0n, status: succeeded };
      assert.deepEqual((await readIds({ ...scene, idleTimeoutMs: 0 })).ids, [...ids, 2n]);
      streamOpen([...before]);
      assert.deepEqual((await readIds({ ...scene, eventTimeoutMs: 500 })).ids, ids);
    });

  it("waits for the idle timeout only after a terminal event, until another update follows", async () => {
    upstream().rpcs.getWorkflow = () => ({});
    upstream().rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield* [stored(5n, FAILED, 5), stored(6n, RUNNING, 6)];
      await roundTrips(3);
      yield stored(9n, SUCCEEDED, 9);
      await once(signal, "abort");
    };
    const { ids, end, detection } = await readIds(
      { fromEventId: 0n, idleTimeoutMs: 500, eventTimeoutMs: 3_600_000 },
      { recordUpdates: true },
    );
    assert.deepEqual([ids, end], [[5n, 6n, 9n], "complete"]);
    assert.equal(detection.isAfterTerminalEvent, true);
  });

  it("is over after the idle timeout when a stream is opened from the terminal event", async () => {
    streamOpen();
    const scene = { fromEventId: 9n, status: succeeded, eventTimeoutMs: 3_600_000 };
    const { ids, end, detection } = await readIds(scene);
    assert.deepEqual([ids, end], [[], "complete"]);
    assert.equal(detection.isAfterTerminalEvent, false);
  });

  it("searches the terminal event while it waits for the first event", async () => {
    const searched = Promise.withResolvers<undefined>();
    upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
      if (fromEventId === 8n) searched.resolve(undefined);
      yield* log.filter(({ eventId }) => eventId > fromEventId);
      await once(signal, "abort");
    };
    const caller = new AbortController();
    const scene = { fromEventId: 9n, status: succeeded, idleTimeoutMs: 3_600_000, signal: caller.signal };
    const read = readIds(scene);
    await searched.promise;
    caller.abort();
    await assert.rejects(read, { code: Code.Canceled });
  });

  it("distinguishes a stream that ends at its last event from one that ends early", async () => {
    upstream().rpcs.streamWorkflowEvents = ({ fromEventId }) =>
      Readable.from(fromEventId === 6n ? [] : log.filter(({ eventId }) => eventId > fromEventId));
    for (const [fromEventId, expected] of [
      [9n, "complete"],
      [6n, "ended-early"],
    ] as const) {
      const { ids, end } = await readIds({ fromEventId, status: succeeded });
      assert.deepEqual([ids, end], [[], expected]);
    }
    assert.equal((await readIds({ fromEventId: 9n })).end, "ended-early");
  });

  it("rejects when the search fails, unless an event comes", async () => {
    upstream().rpcs.streamWorkflowEvents = ({ fromEventId }) => {
      if (fromEventId === 4n || fromEventId === 8n) throw new ConnectError("down", Code.Unavailable);
      return Readable.from(log.filter(({ eventId }) => eventId > fromEventId));
    };
    const reading = readIds({ fromEventId: 9n, status: succeeded });
    await assert.rejects(reading, { code: Code.Unavailable });
    const scene = { fromEventId: 5n, status: succeeded, idleTimeoutMs: 3_600_000 };
    const { ids } = await readIds(scene, { most: 2 });
    assert.deepEqual(ids, [6n, 9n]);
  });

  for (const [what, from, time] of [
    ["any other event", 6n, 9],
    ["an id that no event has", 8n, 9],
    ["a terminal event before a retry", 5n, 9],
    ["a terminal event of an unknown time", 5n, undefined],
    ["the first event, which cannot be read", 1n, 9],
  ] as const)
    it(`waits longer than the idle timeout after ${what}`, async () => {
      const events = time === undefined ? log.map(({ eventId }) => stored(eventId, FAILED)) : log;
      const rest = events.filter(({ eventId }) => eventId > from);
      upstream().rpcs.getWorkflow = () => ({});
      upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
        // Longer than the search takes.
        if (fromEventId === from) await roundTrips(10);
        yield* events.filter(({ eventId }) => eventId > fromEventId);
      };
      const status = time === undefined ? { state: FAILED } : succeeded;
      const { ids } = await readIds({ fromEventId: from, status, idleTimeoutMs: 0 });
      assert.deepEqual(
        ids,
        rest.map(({ eventId }) => eventId),
      );
    });
});
