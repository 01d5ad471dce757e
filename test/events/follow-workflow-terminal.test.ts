import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { followWorkflow } from "../../src/events/follow-workflow.ts";
import { defaultRetryPolicy, isRetryable } from "../../src/events/retry-policy.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { createScriptedUpstream, follow, tries } from "../support/scripted-upstream.ts";
import { textOf } from "../support/streamed-event.ts";

const { RUNNING, SUCCEEDED, FAILED, CANCELLED } = JobState;
const lost = new ConnectError("connection lost", Code.Unavailable);

describe("followWorkflow, at the end", () => {
  it("resumes a stream that ends before the workflow does", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [stepEvent(1n)], then: "end" },
        { events: [workflowEvent(2n, SUCCEEDED)], then: "end" },
      ],
      { finished: [false] },
    );
    assert.deepEqual(await follow(upstream), {
      came: ["1: stepUpdate", "2: SUCCEEDED"],
      error: undefined,
      waits: [0],
    });
    assert.deepEqual(upstream.openedFrom, [0n, 1n]);
  });

  it("sends the last snapshot once its resume point was found, however often that was lost", async () => {
    const stream = { events: [workflowEvent(0n, SUCCEEDED)], then: "end" } as const;
    const upstream = createScriptedUpstream([stream, stream, stream], { resumePoint: [lost, lost, 7n] });
    assert.deepEqual(await follow(upstream), { came: ["7: SUCCEEDED"], error: undefined, waits: [0, 1] });
  });

  it("gives up when streams bring no more than the snapshot that is known", async () => {
    const streams = Array(tries + 2).fill({ events: [workflowEvent(0n, RUNNING)], then: lost });
    const { came, error, waits } = await follow(createScriptedUpstream(streams));
    assert.equal(came.length, 1);
    assert.ok(isRetryable(error));
    assert.equal(waits.length, tries);
  });

  it("gives up as on a loss when the stream keeps ending", async () => {
    const streams = Array(tries + 1).fill({ then: "end" });
    const { came, error, waits } = await follow(createScriptedUpstream(streams, { finished: [false] }));
    assert.deepEqual(came, []);
    assert.ok(isRetryable(error));
    assert.deepEqual(waits, [0, 1, 2]);
  });

  it("ends without an event when a resume comes from the end of a finished workflow", async () => {
    const upstream = createScriptedUpstream([{ then: "at the end" }], { finished: [SUCCEEDED] });
    const outcome = await follow(upstream, { from: 9n, isEstablished: false });
    assert.deepEqual(outcome, { came: [], error: undefined, waits: [] });
    assert.deepEqual(upstream.openedFrom, [9n]);
    assert.equal(upstream.endingAsked, 1);
  });

  for (const [then, when, finished] of [
    ["end", "is finished", [SUCCEEDED]],
    ["silence", "is finished", [SUCCEEDED]],
    ["end", "finishes meanwhile", [false, SUCCEEDED]],
  ] as const)
    it(`goes on when a resume meets ${then} and the workflow ${when}, but the client has not seen its end`, async () => {
      const upstream = createScriptedUpstream(
        [{ then }, { events: [stepEvent(10n), workflowEvent(11n, SUCCEEDED)], then: "end" }],
        { finished, end: [false] },
      );
      assert.deepEqual(await follow(upstream, { from: 9n, isEstablished: false }), {
        came: ["10: stepUpdate", "11: SUCCEEDED"],
        error: undefined,
        waits: [0],
      });
      assert.deepEqual(upstream.openedFrom, [9n, 9n]);
      assert.deepEqual(upstream.endAsked, [9n]);
    });

  it("goes on at the last event when a replay pauses before the end", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [stepEvent(10n)], then: "silence" },
        { events: [workflowEvent(11n, SUCCEEDED)], then: "silence" },
      ],
      { finished: [SUCCEEDED], end: [false] },
    );
    const { came, error } = await follow(upstream, { from: 9n });
    assert.equal(error, undefined);
    assert.deepEqual(came, ["10: stepUpdate", "11: SUCCEEDED"]);
    assert.deepEqual(upstream.openedFrom, [9n, 10n]);
    assert.deepEqual(upstream.endAsked, [10n]);
  });

  it("ends when the event it has turns out to be behind the end", async () => {
    const upstream = createScriptedUpstream([{ events: [stepEvent(10n)], then: "silence" }], {
      finished: [SUCCEEDED],
      end: [true],
    });
    assert.deepEqual((await follow(upstream, { from: 9n })).came, ["10: stepUpdate"]);
    assert.deepEqual(upstream.endAsked, [10n]);
  });

  it("gives up as on a loss when the end keeps out of sight", async () => {
    const streams = Array(tries + 1).fill({ then: "end" });
    const upstream = createScriptedUpstream(streams, { finished: [SUCCEEDED], end: [false] });
    const { came, error, waits } = await follow(upstream, { from: 9n, isEstablished: false });
    assert.deepEqual(came, []);
    assert.ok(isRetryable(error));
    assert.deepEqual(waits, [0, 1, 2]);
  });

  it("follows on when a resume finds the workflow unfinished", async () => {
    const upstream = createScriptedUpstream(
      [{ events: [stepEvent(10n), workflowEvent(11n, SUCCEEDED)], then: "end" }],
      { finished: [false] },
    );
    assert.deepEqual(await follow(upstream, { from: 9n, isEstablished: false }), {
      came: ["10: stepUpdate", "11: SUCCEEDED"],
      error: undefined,
      waits: [],
    });
    assert.deepEqual(upstream.openedFrom, [9n]);
  });

  it("lingers after a terminal event, and ends in silence", async () => {
    const upstream = createScriptedUpstream([
      { events: [workflowEvent(1n, FAILED), stepEvent(2n)], then: "silence" },
    ]);
    assert.deepEqual(await follow(upstream), {
      came: ["1: FAILED", "2: stepUpdate"],
      error: undefined,
      waits: [],
    });
  });

  it("goes on with a workflow that is retried after it had failed", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [workflowEvent(1n, FAILED), workflowEvent(2n, RUNNING)], then: "end" },
        { events: [workflowEvent(3n, SUCCEEDED)], then: "silence" },
      ],
      { finished: [false] },
    );
    const { came, error } = await follow(upstream);
    assert.equal(error, undefined);
    assert.deepEqual(came, ["1: FAILED", "2: RUNNING", "3: SUCCEEDED"]);
  });

  for (const then of ["end", "silence"] as const)
    for (const finished of [false, SUCCEEDED] as const)
      it(`takes a stored failure for the end only where no retry followed, after ${then}, ${finished ? "finished" : "running"} since`, async () => {
        const upstream = createScriptedUpstream(
          [
            { events: [workflowEvent(5n, FAILED)], then },
            { events: [workflowEvent(6n, RUNNING), workflowEvent(9n, SUCCEEDED)], then: "end" },
          ],
          { finished: [SUCCEEDED, finished], end: [false] },
        );
        const { came, error } = await follow(upstream, { from: 4n });
        assert.equal(error, undefined);
        assert.deepEqual(came, ["5: FAILED", "6: RUNNING", "9: SUCCEEDED"]);
        assert.deepEqual(upstream.openedFrom, [4n, 5n]);
        assert.deepEqual(upstream.lingered, [false, false]);
      });

  it("ends after a stored failure that is the end", async () => {
    const upstream = createScriptedUpstream([{ events: [workflowEvent(5n, FAILED)], then: "silence" }], {
      finished: [FAILED],
      end: [true],
    });
    assert.deepEqual(await follow(upstream, { from: 4n }), {
      came: ["5: FAILED"],
      error: undefined,
      waits: [],
    });
    assert.deepEqual(upstream.endAsked, [5n]);
  });

  it("takes no terminal event for the end that the client had before", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [workflowEvent(3n, CANCELLED)], then: "end" },
        { events: [workflowEvent(5n, SUCCEEDED)], then: "end" },
      ],
      { finished: [false] },
    );
    assert.deepEqual((await follow(upstream, { from: 4n })).came, ["5: SUCCEEDED"]);
  });

  it("looks once more when the stream is lost after the terminal event", async () => {
    const upstream = createScriptedUpstream([
      { events: [workflowEvent(1n, SUCCEEDED)], then: lost },
      { then: "silence" },
    ]);
    assert.deepEqual(await follow(upstream), { came: ["1: SUCCEEDED"], error: undefined, waits: [0] });
    assert.deepEqual(upstream.openedFrom, [0n, 1n]);
    assert.deepEqual(upstream.lingered, [false, true]);
  });

  it("takes a lost question about the end for a lost stream", async () => {
    const streams = [
      { then: "end" },
      { then: "end" },
      { events: [workflowEvent(2n, SUCCEEDED)], then: "end" },
    ] as const;
    const upstream = createScriptedUpstream(streams, { finished: [lost, SUCCEEDED], end: [lost] });
    assert.deepEqual(await follow(upstream), { came: ["2: SUCCEEDED"], error: undefined, waits: [0, 1] });
    const early = createScriptedUpstream([{ then: "end" }], { finished: [lost] });
    assert.equal((await follow(early, { isEstablished: false })).error, lost);
  });

  it("stops waiting when the client goes away", async () => {
    const client = new AbortController();
    const upstream = createScriptedUpstream([{ then: lost }], { signal: client.signal });
    const retryPolicy = {
      ...defaultRetryPolicy,
      backoffMs() {
        client.abort();
        return 3_600_000;
      },
    };
    const reader = {
      isEstablished: true,
      establish: () => undefined,
      textOf,
      send: () => Promise.resolve(),
    };
    const followed = followWorkflow(upstream, 0n, reader, retryPolicy);
    await assert.rejects(followed, { name: "AbortError" });
  });
});
