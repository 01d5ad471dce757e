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
import { unboundedMemory } from "../../src/grpc/message-memory.ts";
import type { TerminalStatus } from "../../src/events/terminal.ts";
import type { StreamedEvent } from "../../src/events/upstream-stream.ts";
import { createEventUpstream } from "../../src/events/event-source.ts";
import type { EventUpstream } from "../../src/events/event-source.ts";
import { withTimeout } from "../../src/events/with-timeout.ts";
import { suite } from "../support/gateway.ts";
import { encodedClientSuite } from "../support/orchestrator.ts";
import { startUpstream } from "../support/upstream.ts";

/** A stored event that says that the workflow is in `state`, and since when. */
function stored(eventId: bigint, state: JobState, second?: number) {
  const time = second === undefined ? {} : { updatedAt: { seconds: BigInt(second) } };
  const value = create(WorkflowSchema, { id: "w1", state, ...time });
  return create(WorkflowEventSchema, { workflowId: "w1", eventId, event: { case: "workflowUpdate", value } });
}

const idleTimeoutMs = 20;

/** How the workflow of these tests has ended, at the time of event 9. */
const ending: TerminalStatus = { state: JobState.SUCCEEDED, updatedAt: timestampAt(9) };

function timestampAt(second: number) {
  return create(TimestampSchema, { seconds: BigInt(second) });
}

/** The ids of the events that are read, until there are `most` of them; "at the end" where that is told. */
async function idsFrom(
  events: EventUpstream,
  fromEventId: bigint,
  {
    ending,
    mayBeOver = false,
    most = Infinity,
  }: { ending?: TerminalStatus; mayBeOver?: boolean; most?: number } = {},
): Promise<(bigint | "at the end")[]> {
  const ids: bigint[] = [];
  const isAtEnd = await events.read(
    fromEventId,
    ending,
    () => mayBeOver,
    ({ eventId }) => Promise.resolve(ids.push(eventId) < most),
  );
  return isAtEnd ? [...ids, "at the end"] : ids;
}

describe("createEventUpstream", () => {
  const upstream = suite(startUpstream);
  const client = encodedClientSuite(upstream);

  function events({ signal = new AbortController().signal, timeoutMs = 5000, linger = idleTimeoutMs } = {}) {
    const headers = { "ff-principal": "alice" };
    const options = { idleTimeoutMs: linger, searchMemory: unboundedMemory };
    return createEventUpstream(
      client(),
      "w1",
      { signal, timeoutMs, headers, contextValues: createContextValues() },
      options,
    );
  }

  it("opens the stream of its workflow as its caller, from the id on and without a deadline", async () => {
    const asked: unknown[] = [];
    upstream().rpcs.streamWorkflowEvents = (request, { timeoutMs }) => {
      asked.push([request.workflowId, request.fromEventId, timeoutMs()]);
      return Readable.from([stored(8n, JobState.RUNNING, 1)]);
    };
    assert.deepEqual(await idsFrom(events(), 7n), [8n]);
    assert.deepEqual(asked, [["w1", 7n, undefined]]);
    assert.equal(upstream().calls.at(-1)?.metadata.get("ff-principal"), "alice");
  });

  it("ends the server's side when its reader leaves, and when it takes silence for the end", async () => {
    for (const mayBeOver of [false, true]) {
      const ended = Promise.withResolvers<undefined>();
      upstream().rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
        yield stored(1n, JobState.RUNNING, 1);
        await once(signal, "abort");
        ended.resolve(undefined);
      };
      assert.deepEqual(await idsFrom(events(), 0n, { mayBeOver, most: mayBeOver ? 2 : 1 }), [1n]);
      await ended.promise;
    }
  });

  for (const [what, before] of [
    ["the first", []],
    ["each later", [stored(1n, JobState.RUNNING, 1)]],
  ] as const)
    it(`waits a call's deadline, and no less, for ${what} event of a workflow that is finished`, async () => {
      const ids = before.map(({ eventId }) => eventId);
      upstream().rpcs.getWorkflow = ({ workflowId }) => ({ id: workflowId });
      upstream().rpcs.streamWorkflowEvents = async function* () {
        yield* before;
        // Three round trips are longer than the silence that would end a stream which may be over.
        for (const workflowId of ["a", "b", "c"]) await client().getWorkflow({ workflowId });
        yield stored(2n, JobState.RUNNING, 2);
      };
      assert.deepEqual(await idsFrom(events({ linger: 0 }), 0n, { ending }), [...ids, 2n]);
      upstream().rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
        yield* before;
        await once(signal, "abort");
      };
      assert.deepEqual(await idsFrom(events({ timeoutMs: 5 }), 0n, { ending }), ids);
    });

  it("ends with Canceled when its caller goes away", async () => {
    const caller = new AbortController();
    upstream().rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield stored(1n, JobState.RUNNING, 1);
      await once(signal, "abort");
    };
    const read = events({ signal: caller.signal }).read(
      0n,
      undefined,
      () => false,
      ({ eventId }) => {
        assert.equal(eventId, 1n);
        caller.abort();
        return Promise.resolve(true);
      },
    );
    await assert.rejects(read, { code: Code.Canceled });
  });

  it("begins nothing for a caller that has gone away", async () => {
    const { length } = upstream().calls;
    await assert.rejects(idsFrom(events({ signal: AbortSignal.abort() }), 0n), {
      code: Code.Canceled,
    });
    assert.equal(upstream().calls.length, length);
  });

  it("asks for the next event only when the last one was taken", async () => {
    upstream().rpcs.streamWorkflowEvents = () =>
      Readable.from([stored(1n, JobState.RUNNING, 1), stored(2n, JobState.RUNNING, 2)]);
    let underWay = 0;
    await events().read(
      0n,
      undefined,
      () => false,
      async () => {
        underWay += 1;
        await new Promise(setImmediate);
        assert.equal(underWay--, 1);
        return true;
      },
    );
  });

  it("disposes of each event when its taker is done with it, or fails", async () => {
    upstream().rpcs.streamWorkflowEvents = () =>
      Readable.from([stored(1n, JobState.RUNNING, 1), stored(2n, JobState.RUNNING, 2)]);
    const messages: StreamedEvent["message"][] = [];
    const read = events().read(
      0n,
      undefined,
      () => false,
      ({ eventId, message }) => {
        messages.push(message);
        assert.ok(message.bytes.length > 0);
        return eventId === 1n ? Promise.resolve(true) : Promise.reject(new Error("no more"));
      },
    );
    await assert.rejects(read, /no more/);
    assert.equal(messages.length, 2);
    for (const message of messages) assert.throws(() => message.bytes, /disposed/);
  });

  it("rejects with what its taker throws, and ends the server's side", async () => {
    const ended = Promise.withResolvers<undefined>();
    upstream().rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield stored(1n, JobState.RUNNING, 1);
      await once(signal, "abort");
      ended.resolve(undefined);
    };
    const failure = new TypeError("no such state");
    const read = events().read(
      0n,
      undefined,
      () => false,
      () => Promise.reject(failure),
    );
    await assert.rejects(read, failure);
    await ended.promise;
  });

  it("rejects with the upstream's error", async () => {
    upstream().rpcs.streamWorkflowEvents = () => {
      throw new ConnectError("gone", Code.NotFound);
    };
    await assert.rejects(idsFrom(events(), 0n), { code: Code.NotFound });
  });

  const log = [
    stored(2n, JobState.RUNNING, 2),
    stored(5n, JobState.FAILED, 5),
    stored(6n, JobState.RUNNING, 6),
    stored(9n, JobState.SUCCEEDED, 9),
  ];
  it("takes little silence for the end behind the event that ended the workflow", async () => {
    upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
      yield* log.filter(({ eventId }) => eventId > fromEventId);
      await once(signal, "abort");
    };
    assert.deepEqual(await idsFrom(events({ timeoutMs: 3_600_000 }), 9n, { ending }), ["at the end"]);
  });

  it("asks whether it is the end while the silence lasts", async () => {
    const asked = Promise.withResolvers<undefined>();
    upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
      if (fromEventId === 8n) asked.resolve(undefined);
      yield* log.filter(({ eventId }) => eventId > fromEventId);
      await once(signal, "abort");
    };
    const caller = new AbortController();
    const read = idsFrom(events({ linger: 3_600_000, signal: caller.signal }), 9n, { ending });
    await asked.promise;
    caller.abort();
    await assert.rejects(read, { code: Code.Canceled });
  });

  it("tells the end from a stream that ends by the event it was opened from", async () => {
    upstream().rpcs.streamWorkflowEvents = ({ fromEventId }) =>
      Readable.from(fromEventId === 6n ? [] : log.filter(({ eventId }) => eventId > fromEventId));
    assert.deepEqual(await idsFrom(events(), 9n, { ending }), ["at the end"]);
    assert.deepEqual(await idsFrom(events(), 6n, { ending }), []);
    assert.deepEqual(await idsFrom(events(), 9n), []);
  });

  it("rejects when nobody can tell whether it is the end, but not where an event comes", async () => {
    upstream().rpcs.streamWorkflowEvents = ({ fromEventId }) => {
      if (fromEventId === 4n || fromEventId === 8n) throw new ConnectError("down", Code.Unavailable);
      return Readable.from(log.filter(({ eventId }) => eventId > fromEventId));
    };
    await assert.rejects(idsFrom(events(), 9n, { ending }), { code: Code.Unavailable });
    assert.deepEqual(await idsFrom(events(), 5n, { ending }), [6n, 9n]);
  });

  for (const [what, from, time] of [
    ["any other event", 6n, 9],
    ["an id that no event has", 8n, 9],
    ["a terminal event before a retry", 5n, 9],
    ["a terminal event where nobody tells the time", 5n, undefined],
    ["the first event, which nothing comes before", 1n, 9],
  ] as const)
    it(`waits longer than a little silence behind ${what}`, async () => {
      const told = time === undefined ? log.map(({ eventId }) => stored(eventId, JobState.FAILED)) : log;
      const rest = (id: bigint) => told.filter(({ eventId }) => eventId > id);
      upstream().rpcs.getWorkflow = () => ({});
      upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
        // So many round trips are longer than any question about the end.
        for (let i = 0; fromEventId === from && i < 10; i += 1) await client().getWorkflow({});
        yield* rest(fromEventId);
      };
      const ended = time === undefined ? { state: JobState.FAILED } : ending;
      assert.deepEqual(
        await idsFrom(events({ linger: 0 }), from, { ending: ended }),
        rest(from).map(({ eventId }) => eventId),
      );
    });

  for (const [state, finished] of [
    [JobState.QUEUED, false],
    [JobState.RUNNING, false],
    [JobState.SUCCEEDED, true],
    [JobState.FAILED, true],
    [JobState.CANCELLED, true],
  ] as const)
    it(`says that a workflow in the state ${JobState[state]} has ${finished ? "" : "not "}ended`, async () => {
      upstream().rpcs.getWorkflow = ({ workflowId }) => ({
        id: workflowId,
        state,
        updatedAt: timestampAt(9),
      });
      const expected = finished ? { state, updatedAt: timestampAt(9) } : undefined;
      assert.deepEqual(await events().ending(), expected);
      assert.equal(upstream().calls.at(-1)?.metadata.get("ff-principal"), "alice");
    });
});

describe("orSilence", () => {
  const never = new Promise<string>(() => false);

  it("brings what comes in time, and undefined for what does not", async () => {
    assert.equal(await withTimeout(Promise.resolve("x"), 1000), "x");
    assert.equal(await withTimeout(never, 1), undefined);
  });

  it("waits for as long as it takes without a limit", async () => {
    assert.equal(await withTimeout(Promise.resolve("x"), undefined), "x");
  });

  it("rejects with what fails in time, and swallows what fails too late", async () => {
    await assert.rejects(withTimeout(Promise.reject(new Error("no")), 1000), /no/);
    const late = Promise.withResolvers<string>();
    assert.equal(await withTimeout(late.promise, 1), undefined);
    late.reject(new Error("nobody hears this"));
  });
});
