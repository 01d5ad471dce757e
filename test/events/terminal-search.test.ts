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
import { createTerminalSearch } from "../../src/events/terminal-search.ts";
import type { WorkflowStatus } from "../../src/mapping/workflow-event.ts";
import { openUpstreamStream } from "../../src/events/upstream-stream.ts";
import { readWorkflowStatus } from "../../src/mapping/workflow-event.ts";
import { suite } from "../support/gateway.ts";
import { encodedClientSuite } from "../support/orchestrator.ts";
import { stepEvent } from "../support/samples.ts";
import { startUpstream } from "../support/upstream.ts";

const { RUNNING, SUCCEEDED, FAILED, CANCELLED } = JobState;

/** A workflow in `state` since a time, which is unknown without `second`. */
function workflow(state: JobState, second?: number) {
  const time =
    second === undefined ? {} : { updatedAt: create(TimestampSchema, { seconds: BigInt(second) }) };
  return create(WorkflowSchema, { id: "w1", state, ...time });
}

/** The event that reports it; with id 0 it is a snapshot. */
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

describe("createTerminalSearch", () => {
  const upstream = suite(startUpstream);
  const client = encodedClientSuite(upstream);

  function search({ timeoutMs = 5000, idleTimeoutMs = 20 } = {}) {
    const call = {
      signal: new AbortController().signal,
      timeoutMs,
      headers: {},
      contextValues: createContextValues(),
    };
    return createTerminalSearch({
      readWorkflow: async () => {
        using workflow = await client().getWorkflow({ workflowId: "w1" }, call);
        return readWorkflowStatus(workflow.bytes);
      },
      openStream: (fromEventId) => openUpstreamStream(client(), "w1", fromEventId, call),
      idleTimeoutMs,
      eventTimeoutMs: timeoutMs,
    });
  }

  /** Each stream of the orchestrator: a snapshot, the events of `log`, and where `ends` the end. */
  function streams(log: readonly WorkflowEvent[], { snapshot = event(0n, SUCCEEDED, 9), ends = true } = {}) {
    upstream().rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
      // An event that is not stored may come on any stream, and says nothing about the log.
      yield snapshot;
      if (fromEventId > 0n) yield* log.filter(({ eventId }) => eventId > fromEventId);
      if (!ends) await once(signal, "abort");
    };
  }

  describe("readStatus", () => {
    for (const [state, isTerminal] of [
      [JobState.QUEUED, false],
      [RUNNING, false],
      [SUCCEEDED, true],
      [FAILED, true],
      [CANCELLED, true],
    ] as const)
      it(`returns ${isTerminal ? "the status of" : "undefined for"} a workflow that is ${JobState[state]}`, async () => {
        upstream().rpcs.getWorkflow = () => workflow(state, 9);
        const { updatedAt } = workflow(state, 9);
        assert.deepEqual(await search().readStatus(), isTerminal ? { state, updatedAt } : undefined);
      });
  });

  describe("resumePointAfter", () => {
    for (const [what, snapshot, id] of [
      ["the terminal event", workflow(SUCCEEDED, 9), 9n],
      ["the terminal event, not that of the retry after it", workflow(FAILED, 5), 5n],
      ["the last event of its state, where no event has its time", workflow(FAILED, 7), 9n],
      ["the last event of its state, if its time is unknown", workflow(FAILED), 9n],
    ] as const)
      for (const ends of [true, false])
        it(`returns ${what}, when the stream ${ends ? "ends" : "stays open"}`, async () => {
          streams(retried(snapshot.state), { ends });
          assert.equal(await search().resumePointAfter(snapshot), id);
        });

    it("returns the first event if the log has no other", async () => {
      streams([]);
      assert.equal(await search().resumePointAfter(workflow(SUCCEEDED, 9)), 1n);
    });

    it("waits longer than the idle timeout for events before the terminal one", async () => {
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

  describe("isLastEvent", () => {
    const succeeded = { state: SUCCEEDED, updatedAt: workflow(SUCCEEDED, 9).updatedAt };
    const failed = { state: FAILED, updatedAt: workflow(FAILED, 9).updatedAt };
    const trailing = [...retried(SUCCEEDED), stepEvent(10n), stepEvent(11n)];

    const cases: [
      what: string,
      log: WorkflowEvent[],
      id: bigint,
      terminal: WorkflowStatus,
      expected: boolean,
    ][] = [
      ["the terminal event", retried(SUCCEEDED), 9n, succeeded, true],
      ["the event of its second failure", retried(FAILED), 9n, failed, true],
      ["the event of its first failure", retried(FAILED), 5n, failed, false],
      ["the event of a failure before it succeeded", retried(SUCCEEDED), 5n, succeeded, false],
      ["an event with others after it", retried(SUCCEEDED), 6n, succeeded, false],
      ["an id that no event has, before the terminal event", retried(SUCCEEDED), 8n, succeeded, false],
      ["an id beyond the terminal event", retried(SUCCEEDED), 2n ** 64n - 1n, succeeded, true],
      ["the last event after the terminal one", trailing, 11n, succeeded, true],
      ["an event after the terminal one, with another after it", trailing, 10n, succeeded, false],
      ["the last event of a log without the terminal event", retried(RUNNING), 9n, succeeded, false],
      ["a success at an unknown time", [event(9n, SUCCEEDED)], 9n, { state: SUCCEEDED }, true],
      [
        "a cancellation at another time",
        [event(9n, CANCELLED, 8)],
        9n,
        { ...failed, state: CANCELLED },
        true,
      ],
      ["the last failure at an unknown time", [event(9n, FAILED)], 9n, { state: FAILED }, true],
      [
        "a failure at an unknown time, with more after it",
        [event(5n, FAILED), event(9n, FAILED)],
        5n,
        { state: FAILED },
        false,
      ],
      ["the first event, with others after it", retried(SUCCEEDED), 1n, succeeded, false],
      ["the first event, with nothing stored after it", [], 1n, succeeded, true],
      ["a later one of a log that holds nothing", [], 7n, succeeded, false],
      ["no event", retried(SUCCEEDED), 0n, succeeded, false],
    ];
    for (const [what, log, id, terminal, expected] of cases)
      it(`returns ${expected} for ${what}`, async () => {
        streams(log);
        assert.equal(await search().isLastEvent(id, terminal), expected);
      });

    it("returns true when the stream stays open: at once for the terminal event, after a timeout for a failure at another time", async () => {
      streams(retried(FAILED), { ends: false });
      assert.equal(await search({ timeoutMs: 3_600_000 }).isLastEvent(9n, failed), true);
      streams([event(9n, FAILED, 8)], { ends: false });
      assert.equal(await search({ timeoutMs: 50 }).isLastEvent(9n, failed), true);
    });

    it("returns false while the orchestrator ends every stream at once", async () => {
      upstream().rpcs.streamWorkflowEvents = async function* () {
        yield* await Promise.resolve([]);
      };
      for (const id of [1n, 5n, 9n]) assert.equal(await search().isLastEvent(id, succeeded), false);
    });

    it("returns false for the first event while the workflow is running", async () => {
      streams([], { snapshot: event(0n, RUNNING, 1) });
      assert.equal(await search().isLastEvent(1n, succeeded), false);
    });

    it("rejects when a stream fails", async () => {
      upstream().rpcs.streamWorkflowEvents = () => {
        throw new ConnectError("down", Code.Unavailable);
      };
      await assert.rejects(search().isLastEvent(9n, succeeded), { code: Code.Unavailable });
    });
  });
});
