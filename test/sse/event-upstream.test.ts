import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createEventUpstream } from "../../src/sse/event-upstream.ts";
import type { EventUpstream } from "../../src/sse/event-upstream.ts";
import { orSilence } from "../../src/sse/or-silence.ts";
import { suite } from "../support/gateway.ts";
import { clientSuite } from "../support/orchestrator.ts";
import { startUpstream } from "../support/upstream.ts";

/** A stored event that says that the workflow is in `state`, and since when. */
function stored(eventId: bigint, state: JobState, second?: number) {
  const time = second === undefined ? {} : { updatedAt: { seconds: BigInt(second) } };
  const value = create(WorkflowSchema, { id: "w1", state, ...time });
  return create(WorkflowEventSchema, { workflowId: "w1", eventId, event: { case: "workflowUpdate", value } });
}

const lingerMs = 20;

/** The ids of the events that are read, until there are `most` of them. */
async function idsFrom(
  events: EventUpstream,
  fromEventId: bigint,
  mayBeOver: boolean,
  most = Infinity,
): Promise<bigint[]> {
  const ids: bigint[] = [];
  await events.read(
    fromEventId,
    () => mayBeOver,
    ({ eventId }) => Promise.resolve(ids.push(eventId) < most),
  );
  return ids;
}

describe("createEventUpstream", () => {
  const upstream = suite(startUpstream);
  const client = clientSuite(upstream);

  function events({ signal = new AbortController().signal, timeoutMs = 5000, linger = lingerMs } = {}) {
    const headers = { "ff-principal": "alice" };
    return createEventUpstream(client(), "w1", { signal, timeoutMs, headers }, linger);
  }

  it("opens the stream of its workflow as its caller, from the id on and without a deadline", async () => {
    const asked: unknown[] = [];
    upstream().rpcs.streamWorkflowEvents = (request, { timeoutMs }) => {
      asked.push([request.workflowId, request.fromEventId, timeoutMs()]);
      return Readable.from([stored(8n, JobState.RUNNING, 1)]);
    };
    assert.deepEqual(await idsFrom(events(), 7n, false), [8n]);
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
      assert.deepEqual(await idsFrom(events(), 0n, mayBeOver, mayBeOver ? 2 : 1), [1n]);
      await ended.promise;
    }
  });

  it("waits a call's deadline, and no less, for the first event of a stream that may be over", async () => {
    upstream().rpcs.getWorkflow = ({ workflowId }) => ({ id: workflowId });
    upstream().rpcs.streamWorkflowEvents = async function* () {
      // Three round trips are longer than the silence that would end a stream which has begun.
      for (const workflowId of ["a", "b", "c"]) await client().getWorkflow({ workflowId });
      yield stored(1n, JobState.RUNNING, 1);
    };
    assert.deepEqual(await idsFrom(events({ linger: 0 }), 0n, true), [1n]);
    upstream().rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      await once(signal, "abort");
      yield* [];
    };
    assert.deepEqual(await idsFrom(events({ timeoutMs: 5 }), 0n, true), []);
  });

  it("ends with Canceled when its caller goes away", async () => {
    const caller = new AbortController();
    upstream().rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield stored(1n, JobState.RUNNING, 1);
      await once(signal, "abort");
    };
    const read = events({ signal: caller.signal }).read(
      0n,
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
    await assert.rejects(idsFrom(events({ signal: AbortSignal.abort() }), 0n, false), {
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
      () => false,
      async () => {
        underWay += 1;
        await new Promise(setImmediate);
        assert.equal(underWay--, 1);
        return true;
      },
    );
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
    await assert.rejects(idsFrom(events(), 0n, false), { code: Code.NotFound });
  });

  const log = [
    stored(2n, JobState.RUNNING, 2),
    stored(5n, JobState.FAILED, 5),
    stored(6n, JobState.RUNNING, 6),
    stored(9n, JobState.SUCCEEDED, 9),
  ];
  for (const [what, second, id] of [
    ["the event that ended it", 9, 9n],
    ["the event that ended it, not that of the retry after it", 5, 5n],
    ["the last event that ended it, for a time that no event has", 7, 9n],
  ] as const)
    for (const ends of [true, false])
      it(`resumes after a terminal snapshot at ${what}, when the stream ${ends ? "ends" : "stays open"}`, async () => {
        upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
          yield* log.filter(({ eventId }) => eventId > fromEventId);
          if (!ends) await once(signal, "abort");
        };
        const updatedAt = { seconds: BigInt(second) };
        assert.equal(await events().resumePointAfter(create(WorkflowSchema, { updatedAt })), id);
      });

  it("takes little silence for the end behind the event that ended the workflow", async () => {
    upstream().rpcs.getWorkflow = () => ({ state: JobState.SUCCEEDED, updatedAt: { seconds: 9n } });
    upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
      yield* log.filter(({ eventId }) => eventId > fromEventId);
      await once(signal, "abort");
    };
    assert.deepEqual(await idsFrom(events({ timeoutMs: 3_600_000 }), 9n, true), []);
  });

  for (const [what, from, workflow] of [
    ["any other event", 6n, { state: JobState.SUCCEEDED, updatedAt: { seconds: 9n } }],
    ["an id that no event has", 8n, { state: JobState.SUCCEEDED, updatedAt: { seconds: 9n } }],
    ["a terminal event before a retry", 5n, { state: JobState.SUCCEEDED, updatedAt: { seconds: 9n } }],
    ["the terminal event of what runs again", 5n, { state: JobState.RUNNING, updatedAt: { seconds: 5n } }],
    ["a terminal event where nobody tells the time", 5n, { state: JobState.SUCCEEDED }],
    [
      "the first event, which nothing comes before",
      1n,
      { state: JobState.SUCCEEDED, updatedAt: { seconds: 9n } },
    ],
  ] as const)
    it(`waits longer than a little silence behind ${what}`, async () => {
      const isTimeless = !("updatedAt" in workflow);
      const told = isTimeless ? log.map(({ eventId }) => stored(eventId, JobState.FAILED)) : log;
      const rest = (id: bigint) => told.filter(({ eventId }) => eventId > id);
      upstream().rpcs.getWorkflow = () => workflow;
      upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
        // So many round trips are longer than any question about the end.
        for (let i = 0; fromEventId === from && i < 10; i += 1) await client().getWorkflow({});
        yield* rest(fromEventId);
      };
      assert.deepEqual(
        await idsFrom(events({ linger: 0 }), from, true),
        rest(from).map(({ eventId }) => eventId),
      );
    });

  it("resumes after the first event where the log holds no more", async () => {
    upstream().rpcs.streamWorkflowEvents = () => Readable.from([]);
    assert.equal(await events().resumePointAfter(create(WorkflowSchema)), 1n);
  });

  for (const [state, finished] of [
    [JobState.QUEUED, false],
    [JobState.RUNNING, false],
    [JobState.SUCCEEDED, true],
    [JobState.FAILED, true],
    [JobState.CANCELLED, true],
  ] as const)
    it(`says that a workflow in the state ${JobState[state]} is ${finished ? "" : "not "}finished`, async () => {
      upstream().rpcs.getWorkflow = ({ workflowId }) => ({ id: workflowId, state });
      assert.equal(await events().isFinished(), finished);
      assert.equal(upstream().calls.at(-1)?.metadata.get("ff-principal"), "alice");
    });
});

describe("orSilence", () => {
  const never = new Promise<string>(() => false);

  it("brings what comes in time, and undefined for what does not", async () => {
    assert.equal(await orSilence(Promise.resolve("x"), 1000), "x");
    assert.equal(await orSilence(never, 1), undefined);
  });

  it("waits for as long as it takes without a limit", async () => {
    assert.equal(await orSilence(Promise.resolve("x"), undefined), "x");
  });

  it("rejects with what fails in time, and swallows what fails too late", async () => {
    await assert.rejects(orSilence(Promise.reject(new Error("no")), 1000), /no/);
    const late = Promise.withResolvers<string>();
    assert.equal(await orSilence(late.promise, 1), undefined);
    late.reject(new Error("nobody hears this"));
  });
});
