import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { defaultRetryPolicy, isRetryable } from "../../src/events/retry-policy.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import {
  collect,
  createScriptedUpstream,
  maxRetries,
  openScriptedSource,
} from "../support/scripted-upstream.ts";

const { RUNNING, SUCCEEDED, FAILED, CANCELLED } = JobState;
const lost = new ConnectError("connection lost", Code.Unavailable);

describe("WorkflowEventSource, near the end", () => {
  it("opens a stream again that ends before the workflow does", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [stepEvent(1n)], then: "end" },
        { events: [workflowEvent(2n, SUCCEEDED)], then: "end" },
      ],
      { finished: [false] },
    );
    assert.deepEqual(await collect(upstream), {
      events: ["1: step", "2: SUCCEEDED"],
      end: "clean",
      retries: [0],
    });
    assert.deepEqual(upstream.openedFrom, [0n, 1n]);
  });

  it("returns a terminal snapshot once its resume point is found, however often the search is lost", async () => {
    const stream = { events: [workflowEvent(0n, SUCCEEDED)], then: "end" } as const;
    const upstream = createScriptedUpstream([stream, stream, stream], { resumePoint: [lost, lost, 7n] });
    assert.deepEqual(await collect(upstream), {
      events: ["7: SUCCEEDED"],
      end: "clean",
      retries: [0, 1],
    });
  });

  it("rejects after the last retry when every stream has only the same snapshot", async () => {
    const streams = Array(maxRetries + 2).fill({ events: [workflowEvent(0n, RUNNING)], then: lost });
    const { events, end, retries } = await collect(createScriptedUpstream(streams));
    assert.equal(events.length, 1);
    assert.ok(isRetryable(end));
    assert.equal(retries.length, maxRetries);
  });

  it("rejects with a retryable error when the stream keeps ending", async () => {
    const streams = Array(maxRetries + 1).fill({ then: "end" });
    const { events, end, retries } = await collect(createScriptedUpstream(streams, { finished: [false] }));
    assert.deepEqual(events, []);
    assert.ok(isRetryable(end));
    assert.deepEqual(retries, [0, 1, 2]);
  });

  it("ends without an event when a resume comes from the terminal event", async () => {
    const upstream = createScriptedUpstream([{ then: "at the end" }], { finished: [SUCCEEDED] });
    const outcome = await collect(upstream, { from: 9n, mayRetry: false });
    assert.deepEqual(outcome, { events: [], end: "early", retries: [] });
    assert.deepEqual(upstream.openedFrom, [9n]);
    assert.equal(upstream.statusReads, 1);
  });

  for (const [then, when, finished] of [
    ["end", "is finished", [SUCCEEDED]],
    ["silence", "is finished", [SUCCEEDED]],
    ["end", "finishes meanwhile", [false, SUCCEEDED]],
  ] as const)
    it(`retries when a resume meets ${then} and the workflow ${when}, but the client does not have the terminal event`, async () => {
      const upstream = createScriptedUpstream(
        [{ then }, { events: [stepEvent(10n), workflowEvent(11n, SUCCEEDED)], then: "end" }],
        { finished, isLast: [false] },
      );
      assert.deepEqual(await collect(upstream, { from: 9n, mayRetry: false }), {
        events: ["10: step", "11: SUCCEEDED"],
        end: "clean",
        retries: [0],
      });
      assert.deepEqual(upstream.openedFrom, [9n, 9n]);
      assert.deepEqual(upstream.lastSearched, [9n]);
    });

  it("opens the stream again at the last event when a replay pauses before the terminal event", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [stepEvent(10n)], then: "silence" },
        { events: [workflowEvent(11n, SUCCEEDED)], then: "silence" },
      ],
      { finished: [SUCCEEDED], isLast: [false] },
    );
    const { events, end } = await collect(upstream, { from: 9n });
    assert.equal(end, "clean");
    assert.deepEqual(events, ["10: step", "11: SUCCEEDED"]);
    assert.deepEqual(upstream.openedFrom, [9n, 10n]);
    assert.deepEqual(upstream.lastSearched, [10n]);
  });

  it("ends early when its last event turns out to come after the terminal event", async () => {
    const upstream = createScriptedUpstream([{ events: [stepEvent(10n)], then: "silence" }], {
      finished: [SUCCEEDED],
      isLast: [true],
    });
    assert.deepEqual(await collect(upstream, { from: 9n }), {
      events: ["10: step"],
      end: "early",
      retries: [],
    });
    assert.deepEqual(upstream.lastSearched, [10n]);
  });

  it("rejects with a retryable error when the terminal event never comes", async () => {
    const streams = Array(maxRetries + 1).fill({ then: "end" });
    const upstream = createScriptedUpstream(streams, { finished: [SUCCEEDED], isLast: [false] });
    const { events, end, retries } = await collect(upstream, { from: 9n, mayRetry: false });
    assert.deepEqual(events, []);
    assert.ok(isRetryable(end));
    assert.deepEqual(retries, [0, 1, 2]);
  });

  it("follows a workflow that is running when it resumes", async () => {
    const upstream = createScriptedUpstream(
      [{ events: [stepEvent(10n), workflowEvent(11n, SUCCEEDED)], then: "end" }],
      { finished: [false] },
    );
    assert.deepEqual(await collect(upstream, { from: 9n, mayRetry: false }), {
      events: ["10: step", "11: SUCCEEDED"],
      end: "clean",
      retries: [],
    });
    assert.deepEqual(upstream.openedFrom, [9n]);
  });

  it("ends after an idle timeout that follows a terminal event", async () => {
    const upstream = createScriptedUpstream([
      { events: [workflowEvent(1n, FAILED), stepEvent(2n)], then: "silence" },
    ]);
    assert.deepEqual(await collect(upstream), {
      events: ["1: FAILED", "2: step"],
      end: "clean",
      retries: [],
    });
  });

  it("follows a workflow that is retried after it failed", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [workflowEvent(1n, FAILED), workflowEvent(2n, RUNNING)], then: "end" },
        { events: [workflowEvent(3n, SUCCEEDED)], then: "silence" },
      ],
      { finished: [false] },
    );
    const { events, end } = await collect(upstream);
    assert.equal(end, "clean");
    assert.deepEqual(events, ["1: FAILED", "2: RUNNING", "3: SUCCEEDED"]);
  });

  for (const then of ["end", "silence"] as const)
    for (const finished of [false, SUCCEEDED] as const)
      it(`goes on after a replayed failure that was retried, after ${then}, and is ${finished ? "finished" : "running"} since`, async () => {
        const upstream = createScriptedUpstream(
          [
            { events: [workflowEvent(5n, FAILED)], then },
            { events: [workflowEvent(6n, RUNNING), workflowEvent(9n, SUCCEEDED)], then: "end" },
          ],
          { finished: [SUCCEEDED, finished], isLast: [false] },
        );
        const { events, end } = await collect(upstream, { from: 4n });
        assert.equal(end, "clean");
        assert.deepEqual(events, ["5: FAILED", "6: RUNNING", "9: SUCCEEDED"]);
        assert.deepEqual(upstream.openedFrom, [4n, 5n]);
        // After neither event is a short idle time taken for the end at once.
        assert.deepEqual(upstream.firstSearched, finished === false ? [4n] : [4n, 5n]);
      });

  it("ends after a replayed failure that was not retried", async () => {
    const upstream = createScriptedUpstream([{ events: [workflowEvent(5n, FAILED)], then: "silence" }], {
      finished: [FAILED],
      isLast: [true],
    });
    assert.deepEqual(await collect(upstream, { from: 4n }), {
      events: ["5: FAILED"],
      end: "clean",
      retries: [],
    });
    assert.deepEqual(upstream.lastSearched, [5n]);
  });

  it("does not end at a terminal event that the client has already", async () => {
    const upstream = createScriptedUpstream(
      [
        { events: [workflowEvent(3n, CANCELLED)], then: "end" },
        { events: [workflowEvent(5n, SUCCEEDED)], then: "end" },
      ],
      { finished: [false] },
    );
    assert.deepEqual((await collect(upstream, { from: 4n })).events, ["5: SUCCEEDED"]);
  });

  it("opens the stream once more when it is lost after the terminal event", async () => {
    const upstream = createScriptedUpstream([
      { events: [workflowEvent(1n, SUCCEEDED)], then: lost },
      { then: "silence" },
    ]);
    assert.deepEqual(await collect(upstream), { events: ["1: SUCCEEDED"], end: "clean", retries: [0] });
    assert.deepEqual(upstream.openedFrom, [0n, 1n]);
    assert.deepEqual(upstream.firstSearched, []);
  });

  it("retries when the search for the end is lost", async () => {
    const streams = [
      { then: "end" },
      { then: "end" },
      { events: [workflowEvent(2n, SUCCEEDED)], then: "end" },
    ] as const;
    const upstream = createScriptedUpstream(streams, { finished: [lost, SUCCEEDED], isLast: [lost] });
    assert.deepEqual(await collect(upstream), {
      events: ["2: SUCCEEDED"],
      end: "clean",
      retries: [0, 1],
    });
    const early = createScriptedUpstream([{ then: "end" }], { finished: [lost] });
    assert.equal((await collect(early, { mayRetry: false })).end, lost);
  });

  it("stops waiting when the client leaves", async () => {
    const client = new AbortController();
    const retryPolicy = {
      ...defaultRetryPolicy,
      backoffMs() {
        client.abort();
        return 3_600_000;
      },
    };
    const upstream = createScriptedUpstream([{ then: lost }]);
    await using source = await openScriptedSource(upstream, retryPolicy, {}, client.signal);
    await assert.rejects(source.next(), { name: "AbortError" });
  });
});
