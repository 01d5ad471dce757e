import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { WorkflowEventSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { createScriptedUpstream, follow, tries } from "../support/scripted-upstream.ts";

const { QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED } = JobState;
const lost = new ConnectError("connection lost", Code.Unavailable);

describe("followWorkflow", () => {
  it("brings a snapshot, then every event, and ends with the terminal one", async () => {
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
    assert.deepEqual(await follow(upstream), {
      came: ["-: QUEUED", "1: RUNNING", "2: stepUpdate", "9: SUCCEEDED"],
      error: undefined,
      waits: [],
    });
    assert.deepEqual(upstream.openedFrom, [0n]);
    assert.equal(upstream.endingAsked, 0);
  });

  it("brings no event twice, and none out of order", async () => {
    const ids = [4n, 5n, 5n, 3n, 6n, 4n];
    const events = [...ids.map((id) => stepEvent(id)), workflowEvent(7n, CANCELLED)];
    const { came } = await follow(createScriptedUpstream([{ events, then: "end" }], { finished: [false] }), {
      from: 4n,
    });
    assert.deepEqual(came, ["5: stepUpdate", "6: stepUpdate", "7: CANCELLED"]);
  });

  for (const code of [Code.Unavailable, Code.Aborted, Code.DeadlineExceeded])
    it(`resumes at the last event after ${Code[code]}`, async () => {
      const upstream = createScriptedUpstream([
        { events: [workflowEvent(0n, RUNNING), stepEvent(3n)], then: new ConnectError("x", code) },
        { then: lost },
        { events: [stepEvent(3n), stepEvent(4n), workflowEvent(5n, SUCCEEDED)], then: "end" },
      ]);
      const { came, error, waits } = await follow(upstream);
      assert.equal(error, undefined);
      assert.deepEqual(came, ["-: RUNNING", "3: stepUpdate", "4: stepUpdate", "5: SUCCEEDED"]);
      assert.deepEqual(upstream.openedFrom, [0n, 3n, 3n]);
      assert.deepEqual(waits, [0, 1]);
    });

  it("gives up with the last error after as many tries in a row as its patience has", async () => {
    const streams = [{ events: [stepEvent(1n)], then: lost }, ...Array(tries).fill({ then: lost })];
    const upstream = createScriptedUpstream(streams);
    const { came, error, waits } = await follow(upstream);
    assert.deepEqual(came, ["1: stepUpdate"]);
    assert.equal(error, lost);
    assert.deepEqual(waits, [0, 1, 2]);
    assert.deepEqual(upstream.openedFrom, [0n, 1n, 1n, 1n]);
  });

  it("is as patient as before once an event has come", async () => {
    const failures = Array(tries).fill({ then: lost });
    const upstream = createScriptedUpstream([
      ...failures,
      { events: [stepEvent(1n)], then: lost },
      ...failures.slice(1),
      { events: [workflowEvent(2n, SUCCEEDED)], then: "end" },
    ]);
    const { came, error, waits } = await follow(upstream);
    assert.equal(error, undefined);
    assert.deepEqual(came, ["1: stepUpdate", "2: SUCCEEDED"]);
    assert.deepEqual(waits, [0, 1, 2, 0, 1, 2]);
  });

  for (const code of [
    Code.NotFound,
    Code.PermissionDenied,
    Code.Internal,
    Code.Unauthenticated,
    Code.Canceled,
  ])
    it(`gives up at once on ${Code[code]}`, async () => {
      const fatal = new ConnectError("x", code);
      const { came, error, waits } = await follow(
        createScriptedUpstream([{ events: [stepEvent(1n)], then: fatal }]),
      );
      assert.deepEqual([came, error, waits], [["1: stepUpdate"], fatal, []]);
    });

  for (const failure of [lost, new ConnectError("x", Code.NotFound), new TypeError("x")])
    it(`leaves the first failure (${failure.name}: ${failure.message}) to the caller before it is established`, async () => {
      const upstream = createScriptedUpstream([{ then: failure }]);
      const { error, waits } = await follow(upstream, { isEstablished: false });
      assert.equal(error, failure);
      assert.deepEqual(waits, []);
    });

  it("establishes a resume of what is not finished, and takes up again what is lost before its first event", async () => {
    const upstream = createScriptedUpstream(
      [{ then: lost }, { events: [workflowEvent(10n, SUCCEEDED)], then: "end" }],
      { finished: [false] },
    );
    assert.deepEqual(await follow(upstream, { from: 9n, isEstablished: false }), {
      came: ["10: SUCCEEDED"],
      error: undefined,
      waits: [0],
    });
    assert.deepEqual(upstream.openedFrom, [9n, 9n]);
  });

  it("does not repeat a snapshot that says the same after a loss, and brings one that says more", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [workflowEvent(0n, QUEUED)], then: lost },
        { events: [workflowEvent(0n, QUEUED)], then: lost },
        { events: [workflowEvent(0n, RUNNING)], then: lost },
        { events: [workflowEvent(0n, SUCCEEDED)], then: "end" },
      ],
      { resumePoint: [12n] },
    );
    const { came, error } = await follow(upstream);
    assert.equal(error, undefined);
    assert.deepEqual(came, ["-: QUEUED", "-: RUNNING", "12: SUCCEEDED"]);
    assert.deepEqual(upstream.openedFrom, [0n, 0n, 0n, 0n]);
  });

  for (const state of [SUCCEEDED, FAILED, CANCELLED])
    for (const then of ["end", "silence"] as const)
      it(`gives a snapshot in the state ${JobState[state]} the id at which a resume ends, then meets ${then}`, async () => {
        const upstream = createScriptedUpstream([{ events: [workflowEvent(0n, state)], then }], {
          resumePoint: [17n],
        });
        assert.deepEqual(await follow(upstream), {
          came: [`17: ${JobState[state]}`],
          error: undefined,
          waits: [],
        });
      });

  it("passes a step that is not stored on without an id", async () => {
    const events = [workflowEvent(0n, RUNNING), stepEvent(0n), workflowEvent(1n, SUCCEEDED)];
    const { came } = await follow(createScriptedUpstream([{ events, then: "end" }]));
    assert.deepEqual(came, ["-: RUNNING", "-: stepUpdate", "1: SUCCEEDED"]);
  });

  it("counts an event of an unknown kind, so that a resume goes on behind it", async () => {
    const unknown = create(WorkflowEventSchema, { workflowId: "w1", eventId: 2n });
    const upstream = createScriptedUpstream(
      [
        { events: [unknown], then: lost },
        { events: [workflowEvent(3n, SUCCEEDED)], then: "end" },
      ],
      { finished: [false] },
    );
    assert.deepEqual((await follow(upstream, { from: 1n })).came, ["2: unknown", "3: SUCCEEDED"]);
    assert.deepEqual(upstream.openedFrom, [1n, 2n]);
  });
});
