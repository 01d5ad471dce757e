import assert from "node:assert/strict";
import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createEndSearch } from "../../src/events/terminal-search.ts";
import type { TerminalStatus } from "../../src/events/terminal.ts";
import { createEventStreams } from "../../src/events/upstream-stream.ts";
import { suite } from "../support/gateway.ts";
import { encodedClientSuite } from "../support/orchestrator.ts";
import { stepEvent } from "../support/samples.ts";
import { startUpstream } from "../support/upstream.ts";

const { RUNNING, SUCCEEDED, FAILED, CANCELLED } = JobState;

/** A workflow in `state` since then; nobody tells since when without it. */
function workflow(state: JobState, second?: number) {
  const time =
    second === undefined ? {} : { updatedAt: create(TimestampSchema, { seconds: BigInt(second) }) };
  return create(WorkflowSchema, { id: "w1", state, ...time });
}

/** The event of it; with id 0 it is a snapshot. */
function event(eventId: bigint, state: JobState, second?: number): WorkflowEvent {
  const value = workflow(state, second);
  return create(WorkflowEventSchema, { workflowId: "w1", eventId, event: { case: "workflowUpdate", value } });
}

/** A run that failed, was retried, and went on to `state`. */
const retried = (state: JobState): WorkflowEvent[] => [
  event(2n, RUNNING, 2),
  event(5n, FAILED, 5),
  event(6n, RUNNING, 6),
  event(9n, state, 9),
];

describe("createEndSearch", () => {
  const upstream = suite(startUpstream);
  const client = encodedClientSuite(upstream);

  function search({ timeoutMs = 5000, idleTimeoutMs = 20 } = {}) {
    const call = {
      signal: new AbortController().signal,
      timeoutMs,
      headers: {},
      contextValues: createContextValues(),
    };
    return createEndSearch(createEventStreams(client(), "w1", call), { timeoutMs, idleTimeoutMs });
  }

  /** The orchestrator's streams: a snapshot, what `log` holds, and the end, or not. */
  function streams(log: readonly WorkflowEvent[], { snapshot = event(0n, SUCCEEDED, 9), ends = true } = {}) {
    upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
      // What is not stored says nothing of the log, on whatever stream it comes.
      yield snapshot;
      if (fromEventId > 0n) yield* log.filter(({ eventId }) => eventId > fromEventId);
      if (!ends) await once(signal, "abort");
    };
  }

  describe("resumePointAfter", () => {
    for (const [what, snapshot, id] of [
      ["the event that ended it", workflow(SUCCEEDED, 9), 9n],
      ["the event that ended it, not that of the retry after it", workflow(FAILED, 5), 5n],
      ["the last event of its state, for a time that no event has", workflow(FAILED, 7), 9n],
      ["the last event of its state, where nobody tells the time", workflow(FAILED), 9n],
    ] as const)
      for (const ends of [true, false])
        it(`is ${what}, when the stream ${ends ? "ends" : "stays open"}`, async () => {
          streams(retried(snapshot.state), { ends });
          assert.equal(await search().resumePointAfter(snapshot), id);
        });

    it("is the first event where the log holds no more", async () => {
      streams([]);
      assert.equal(await search().resumePointAfter(workflow(SUCCEEDED, 9)), 1n);
    });

    it("is found behind pauses longer than the little silence", async () => {
      upstream().rpcs.getWorkflow = () => ({});
      upstream().rpcs.streamWorkflowEvents = async function* () {
        for (const event of retried(SUCCEEDED)) {
          for (let i = 0; i < 3; i += 1) await client().getWorkflow({});
          yield event;
        }
      };
      assert.equal(await search({ idleTimeoutMs: 0 }).resumePointAfter(workflow(SUCCEEDED, 9)), 9n);
    });
  });

  describe("isEnd", () => {
    const succeeded = { state: SUCCEEDED, updatedAt: workflow(SUCCEEDED, 9).updatedAt };
    const failed = { state: FAILED, updatedAt: workflow(FAILED, 9).updatedAt };
    const trailing = [...retried(SUCCEEDED), stepEvent(10n), stepEvent(11n)];

    const cases: [
      what: string,
      log: WorkflowEvent[],
      id: bigint,
      ending: TerminalStatus,
      expected: boolean,
    ][] = [
      ["the event that ended it", retried(SUCCEEDED), 9n, succeeded, true],
      ["the event of its second failure", retried(FAILED), 9n, failed, true],
      ["the event of its first failure", retried(FAILED), 5n, failed, false],
      ["the event of a failure before it succeeded", retried(SUCCEEDED), 5n, succeeded, false],
      ["an event with others behind it", retried(SUCCEEDED), 6n, succeeded, false],
      ["an id that no event has, before the end", retried(SUCCEEDED), 8n, succeeded, false],
      ["an id beyond the end", retried(SUCCEEDED), 2n ** 64n - 1n, succeeded, true],
      ["the last event behind the end", trailing, 11n, succeeded, true],
      ["an event behind the end with another one behind it", trailing, 10n, succeeded, false],
      ["the last event of a log that does not hold the end yet", retried(RUNNING), 9n, succeeded, false],
      ["a success whose time nobody tells", [event(9n, SUCCEEDED)], 9n, { state: SUCCEEDED }, true],
      [
        "a cancellation at another time",
        [event(9n, CANCELLED, 8)],
        9n,
        { ...failed, state: CANCELLED },
        true,
      ],
      ["the last failure, where nobody tells the time", [event(9n, FAILED)], 9n, { state: FAILED }, true],
      [
        "a failure with more behind it, where nobody tells the time",
        [event(5n, FAILED), event(9n, FAILED)],
        5n,
        { state: FAILED },
        false,
      ],
      ["the first event, with others behind it", retried(SUCCEEDED), 1n, succeeded, false],
      ["the first event, with nothing stored behind it", [], 1n, succeeded, true],
      ["a later one of a log that holds nothing", [], 7n, succeeded, false],
      ["no event", retried(SUCCEEDED), 0n, succeeded, false],
    ];
    for (const [what, log, id, ending, expected] of cases)
      it(`says ${expected} of ${what}`, async () => {
        streams(log);
        assert.equal(await search().isEnd(id, ending), expected);
      });

    it("says true of the event that ended it though the stream stays open, and of a failure whose time differs after a call's deadline", async () => {
      streams(retried(FAILED), { ends: false });
      assert.equal(await search({ timeoutMs: 3_600_000 }).isEnd(9n, failed), true);
      streams([event(9n, FAILED, 8)], { ends: false });
      assert.equal(await search({ timeoutMs: 50 }).isEnd(9n, failed), true);
    });

    it("says false while streams end whatever they are asked for", async () => {
      upstream().rpcs.streamWorkflowEvents = async function* () {
        yield* await Promise.resolve([]);
      };
      for (const id of [1n, 5n, 9n]) assert.equal(await search().isEnd(id, succeeded), false);
    });

    it("says false of the first event where the workflow goes on", async () => {
      streams([], { snapshot: event(0n, RUNNING, 1) });
      assert.equal(await search().isEnd(1n, succeeded), false);
    });

    it("rejects when a stream breaks", async () => {
      upstream().rpcs.streamWorkflowEvents = () => {
        throw new ConnectError("down", Code.Unavailable);
      };
      await assert.rejects(search().isEnd(9n, succeeded), { code: Code.Unavailable });
    });
  });
});
