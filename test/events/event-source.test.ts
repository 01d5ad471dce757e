import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { SourceEvent } from "../../src/events/event-source.ts";
import { defaultRetryPolicy } from "../../src/events/retry-policy.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import {
  collect,
  createScriptedUpstream,
  maxRetries,
  openScriptedSource,
  writeJson,
} from "../support/scripted-upstream.ts";

const { QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED } = JobState;
const lost = new ConnectError("connection lost", Code.Unavailable);

describe("WorkflowEventSource", () => {
  it("returns the snapshot, then every event, and ends after the terminal one", async () => {
    const upstream = createScriptedUpstream([
      {
        events: [
          workflowEvent(0n, QUEUED),
          workflowEvent(1n, RUNNING),
          stepEvent(2n),
          workflowEvent(9n, SUCCEEDED),
        ],
        then: "end",
      },
    ]);
    assert.deepEqual(await collect(upstream), {
      events: ["-: QUEUED", "1: RUNNING", "2: step", "9: SUCCEEDED"],
      end: "clean",
      retries: [],
    });
    assert.deepEqual(upstream.openedFrom, [0n]);
    assert.equal(upstream.statusReads, 0);
  });

  it("skips events that repeat and events out of order", async () => {
    const ids = [4n, 5n, 5n, 3n, 6n, 4n];
    const stored = [...ids.map((id) => stepEvent(id)), workflowEvent(7n, CANCELLED)];
    const { events } = await collect(
      createScriptedUpstream([{ events: stored, then: "end" }], { finished: [false] }),
      {
        from: 4n,
      },
    );
    assert.deepEqual(events, ["5: step", "6: step", "7: CANCELLED"]);
  });

  for (const code of [Code.Unavailable, Code.Aborted, Code.DeadlineExceeded])
    it(`opens the stream again at the last event after ${Code[code]}`, async () => {
      const upstream = createScriptedUpstream([
        { events: [workflowEvent(0n, RUNNING), stepEvent(3n)], then: new ConnectError("x", code) },
        { then: lost },
        { events: [stepEvent(3n), stepEvent(4n), workflowEvent(5n, SUCCEEDED)], then: "end" },
      ]);
      const { events, end, retries } = await collect(upstream);
      assert.equal(end, "clean");
      assert.deepEqual(events, ["-: RUNNING", "3: step", "4: step", "5: SUCCEEDED"]);
      assert.deepEqual(upstream.openedFrom, [0n, 3n, 3n]);
      assert.deepEqual(retries, [0, 1]);
    });

  it("rejects with the last error after the last retry in a row", async () => {
    const streams = [{ events: [stepEvent(1n)], then: lost }, ...Array(maxRetries).fill({ then: lost })];
    const upstream = createScriptedUpstream(streams);
    const { events, end, retries } = await collect(upstream);
    assert.deepEqual(events, ["1: step"]);
    assert.equal(end, lost);
    assert.deepEqual(retries, [0, 1, 2]);
    assert.deepEqual(upstream.openedFrom, [0n, 1n, 1n, 1n]);
  });

  it("counts retries from 0 again after an event", async () => {
    const failures = Array(maxRetries).fill({ then: lost });
    const upstream = createScriptedUpstream([
      ...failures,
      { events: [stepEvent(1n)], then: lost },
      ...failures.slice(1),
      { events: [workflowEvent(2n, SUCCEEDED)], then: "end" },
    ]);
    const { events, end, retries } = await collect(upstream);
    assert.equal(end, "clean");
    assert.deepEqual(events, ["1: step", "2: SUCCEEDED"]);
    assert.deepEqual(retries, [0, 1, 2, 0, 1, 2]);
  });

  for (const code of [
    Code.NotFound,
    Code.PermissionDenied,
    Code.Internal,
    Code.Unauthenticated,
    Code.Canceled,
  ])
    it(`rejects at once on ${Code[code]}`, async () => {
      const fatal = new ConnectError("x", code);
      const { events, end, retries } = await collect(
        createScriptedUpstream([{ events: [stepEvent(1n)], then: fatal }]),
      );
      assert.deepEqual([events, end, retries], [["1: step"], fatal, []]);
    });

  for (const failure of [lost, new ConnectError("x", Code.NotFound), new TypeError("x")])
    it(`rejects with the first failure (${failure.name}: ${failure.message}) when it may not retry`, async () => {
      const upstream = createScriptedUpstream([{ then: failure }]);
      const { end, retries } = await collect(upstream, { mayRetry: false });
      assert.equal(end, failure);
      assert.deepEqual(retries, []);
    });

  it("is following when it resumes a running workflow, and retries a stream that is lost before its first event", async () => {
    const upstream = createScriptedUpstream(
      [{ then: lost }, { events: [workflowEvent(10n, SUCCEEDED)], then: "end" }],
      { finished: [false] },
    );
    assert.deepEqual(await collect(upstream, { from: 9n, mayRetry: false }), {
      events: ["10: SUCCEEDED"],
      end: "clean",
      retries: [0],
    });
    assert.deepEqual(upstream.openedFrom, [9n, 9n]);
  });

  it("returns a snapshot again after a loss only if it has changed", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [workflowEvent(0n, QUEUED)], then: lost },
        { events: [workflowEvent(0n, QUEUED)], then: lost },
        { events: [workflowEvent(0n, RUNNING)], then: lost },
        { events: [workflowEvent(0n, SUCCEEDED)], then: "end" },
      ],
      { resumePoint: [12n] },
    );
    const { events, end } = await collect(upstream);
    assert.equal(end, "clean");
    assert.deepEqual(events, ["-: QUEUED", "-: RUNNING", "12: SUCCEEDED"]);
    assert.deepEqual(upstream.openedFrom, [0n, 0n, 0n, 0n]);
  });

  for (const state of [SUCCEEDED, FAILED, CANCELLED])
    for (const then of ["end", "silence"] as const)
      it(`gives a snapshot in the state ${JobState[state]} the id of the terminal event, and ends after ${then}`, async () => {
        const upstream = createScriptedUpstream([{ events: [workflowEvent(0n, state)], then }], {
          resumePoint: [17n],
        });
        assert.deepEqual(await collect(upstream), {
          events: [`17: ${JobState[state]}`],
          end: "clean",
          retries: [],
        });
      });

  it("returns a step that is not stored, without an id", async () => {
    const sent = [workflowEvent(0n, RUNNING), stepEvent(0n), workflowEvent(1n, SUCCEEDED)];
    const { events } = await collect(createScriptedUpstream([{ events: sent, then: "end" }]));
    assert.deepEqual(events, ["-: RUNNING", "-: step", "1: SUCCEEDED"]);
  });

  it("reports an event of an unknown kind, and resumes after it", async () => {
    const unknown = create(WorkflowEventSchema, { workflowId: "w1", eventId: 2n });
    const upstream = createScriptedUpstream(
      [
        { events: [unknown], then: lost },
        { events: [workflowEvent(3n, SUCCEEDED)], then: "end" },
      ],
      { finished: [false] },
    );
    assert.deepEqual((await collect(upstream, { from: 1n })).events, ["unknown", "3: SUCCEEDED"]);
    assert.deepEqual(upstream.openedFrom, [1n, 2n]);
  });

  it("returns an event on a retry whose JSON could not be written at first", async () => {
    const upstream = createScriptedUpstream([
      { events: [stepEvent(1n), stepEvent(2n)], then: "end" },
      { events: [stepEvent(2n), workflowEvent(3n, SUCCEEDED)], then: "end" },
    ]);
    let written = 0;
    const write: typeof writeJson = (...args) =>
      (written += 1) === 2 ? Promise.reject(lost) : writeJson(...args);
    assert.deepEqual(await collect(upstream, { write }), {
      events: ["1: step", "2: step", "3: SUCCEEDED"],
      end: "clean",
      retries: [0],
    });
    assert.deepEqual(upstream.openedFrom, [0n, 1n]);
  });
});

type Changes = MessageInitShape<typeof WorkflowSchema>;

/** A workflow with maps of every kind in it. */
function workflow(labels: Record<string, string>, metrics: Record<string, number>, sizeBytes = 1n): Changes {
  return {
    id: "w1",
    spec: { name: "one", steps: [{ id: "a", tool: "af2", params: metrics }], labels },
    state: JobState.RUNNING,
    stepStatuses: [{ stepId: "a", outputs: [{ uri: "r2://b/k", sizeBytes, metrics }] }],
  };
}

/** The event as a source returns it. */
async function sourceEventOf(event: MessageInitShape<typeof WorkflowEventSchema>): Promise<SourceEvent> {
  const events = [create(WorkflowEventSchema, event)];
  const upstream = createScriptedUpstream([{ events, then: "end" }]);
  await using source = await openScriptedSource(upstream, defaultRetryPolicy);
  const item = await source.next();
  assert.ok(item.kind === "event");
  return item;
}

/** Of a snapshot, at a time of its own each. */
let seconds = 0n;
async function digestOf(changes: Changes): Promise<string> {
  seconds += 1n;
  const value = create(WorkflowSchema, changes);
  return (await sourceEventOf({ event: { case: "workflowUpdate", value }, at: { seconds } })).digest();
}

const base = workflow({ team: "alpha", run: "7" }, { plddt: 0.9, ptm: 0.8 });

describe("SourceEvent", () => {
  for (const [name, event] of [
    ["step_update", stepEvent(7n)],
    ["workflow_update", workflowEvent(7n, RUNNING)],
  ] as const)
    it(`has the name and the data of a ${name}, and no data once it is disposed of`, async () => {
      const sourceEvent = await sourceEventOf(event);
      assert.equal(sourceEvent.name, name);
      assert.equal(sourceEvent.id, 7n);
      const json = JSON.parse(Buffer.concat(sourceEvent.data).toString());
      assert.deepEqual(Object.keys(json), ["workflow_id", name, "at"]);
      sourceEvent[Symbol.dispose]();
      assert.deepEqual(sourceEvent.data, []);
    });

  describe("digest", () => {
    it("is equal for equal workflows, in whatever order their maps come, and at whatever time", async () => {
      const other = workflow({ run: "7", team: "alpha" }, { ptm: 0.8, plddt: 0.9 });
      assert.equal(await digestOf(base), await digestOf(other));
    });

    const changed: [string, Changes][] = [
      ["state", { ...base, state: JobState.QUEUED }],
      ["label", workflow({ team: "beta", run: "7" }, { plddt: 0.9, ptm: 0.8 })],
      ["metric", workflow({ team: "alpha", run: "7" }, { plddt: 0.9, ptm: 0.7 })],
      ["size beyond 2^53", workflow({ team: "alpha", run: "7" }, { plddt: 0.9, ptm: 0.8 }, 2n ** 60n)],
      ["time", { ...base, updatedAt: create(TimestampSchema, { seconds: 1n }) }],
      ["step", { ...base, stepStatuses: [] }],
    ];
    for (const [what, changes] of changed)
      it(`differs for another ${what}`, async () =>
        assert.notEqual(await digestOf(changes), await digestOf(base)));

    it("differs for two sizes beyond 2^53", async () => {
      const sized = (sizeBytes: bigint) => digestOf(workflow({}, {}, sizeBytes));
      assert.notEqual(await sized(2n ** 60n), await sized(2n ** 60n + 1n));
    });

    it("is of one length, however large the workflow is", async () => {
      const large = workflow({ team: "x".repeat(200_000) }, {});
      assert.equal((await digestOf(large)).length, (await digestOf(base)).length);
    });
  });
});
