import assert from "node:assert/strict";
import { OpenStreams } from "../../src/sse/open-streams.ts";
import type { OpenStream } from "../../src/sse/open-streams.ts";

const care = { tickMs: 2, heartbeatMs: 100 };

/** A stream that has been idle for so long, what was done to it, and a wait for so many ticks. */
function createStream(idleMs: number) {
  const done = { beats: 0, rechecks: 0, cuts: 0 };
  let wanted = Infinity;
  let wake = Promise.withResolvers<undefined>();
  const stream: OpenStream = {
    idleMs: () => idleMs,
    beat: () => void (done.beats += 1),
    cut: () => void (done.cuts += 1),
    recheck() {
      done.rechecks += 1;
      if (done.rechecks >= wanted) wake.resolve(undefined);
    },
  };
  async function ticks(count: number) {
    wanted = done.rechecks + count;
    wake = Promise.withResolvers();
    await wake.promise;
  }
  return { stream, done, ticks };
}

describe("OpenStreams", () => {
  it("keeps idle streams alive and leaves busy ones alone", async () => {
    const streams = new OpenStreams(care);
    const [idle, edge, busy] = [createStream(5000), createStream(100), createStream(99)];
    const removals = [idle, edge, busy].map(({ stream }) => streams.add(stream));
    await busy.ticks(2);
    removals.forEach((remove) => remove());
    assert.equal(idle.done.beats, idle.done.rechecks);
    assert.equal(edge.done.beats, edge.done.rechecks);
    assert.equal(busy.done.beats, 0);
  });

  it("rechecks every stream at every tick", async () => {
    const streams = new OpenStreams(care);
    const [first, second] = [createStream(0), createStream(0)];
    const removals = [first, second].map(({ stream }) => streams.add(stream));
    await second.ticks(3);
    removals.forEach((remove) => remove());
    assert.deepEqual([first.done.rechecks, second.done.rechecks], [3, 3]);
  });

  it("leaves a stream alone once it is removed, however often it is removed", async () => {
    const streams = new OpenStreams(care);
    const [gone, stays] = [createStream(5000), createStream(0)];
    const remove = streams.add(gone.stream);
    const removeOther = streams.add(stays.stream);
    remove();
    remove();
    await stays.ticks(3);
    removeOther();
    streams.close();
    assert.deepEqual(gone.done, { beats: 0, rechecks: 0, cuts: 0 });
  });

  it("starts its timer again after the last stream has gone", async () => {
    const streams = new OpenStreams(care);
    streams.add(createStream(0).stream)();
    const { stream, ticks, done } = createStream(0);
    const remove = streams.add(stream);
    await ticks(1);
    remove();
    assert.equal(done.rechecks, 1);
  });

  it("cuts every stream", () => {
    const streams = new OpenStreams(care);
    const open = [createStream(0), createStream(0)];
    const removals = open.map(({ stream }) => streams.add(stream));
    streams.close();
    removals.forEach((remove) => remove());
    assert.deepEqual(
      open.map(({ done }) => done.cuts),
      [1, 1],
    );
  });

  it("lets a stream be removed while all are being cut", () => {
    const streams = new OpenStreams(care);
    const last = createStream(0);
    const remove = streams.add({ ...createStream(0).stream, cut: () => remove() });
    const removeLast = streams.add(last.stream);
    streams.close();
    removeLast();
    assert.equal(last.done.cuts, 1);
  });
});
