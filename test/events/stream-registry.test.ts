import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { defaultStreamIntervals, StreamRegistry } from "../../src/events/stream-registry.ts";
import type { Revalidation } from "../../src/auth/authenticator.ts";
import { KeyShares } from "../../src/load-shedding/key-shares.ts";
import type { OpenStream } from "../../src/events/stream-registry.ts";
import { wholeShares } from "../support/key-shares.ts";

const always = { checkMs: 1, heartbeatMs: 3 };
const never = { checkMs: 1, heartbeatMs: 3_600_000 };
const many = 100;
const shares = wholeShares("event_streams");

/** Shares of which each key has a quarter. */
function quarters(limit: number): KeyShares {
  return new KeyShares({
    of: "event_streams",
    limit: () => limit,
    share: 0.25,
    countOverShare: () => undefined,
  });
}

/** A stream, what was done to it, and a wait until it has been so often. */
function createStream() {
  const done = { beats: 0, cuts: 0 };
  let look: () => void = () => undefined;
  const stream: OpenStream = {
    heartbeat() {
      done.beats += 1;
      look();
    },
    abort() {
      done.cuts += 1;
      look();
    },
  };
  const until = (isEnough: () => boolean) =>
    new Promise<void>((resolve) => {
      look = () => {
        if (isEnough()) resolve();
      };
      look();
    });
  const beats = (count: number) => until(() => done.beats >= count);
  const cut = () => until(() => done.cuts > 0);
  return { stream, done, beats, cut };
}

/** A follower, how often it was asked for, and a wait until it was so often. */
function createFollower(id: string, answer: () => Promise<boolean> = () => Promise.resolve(true)) {
  let asked = 0;
  let wanted = Infinity;
  let wake = Promise.withResolvers<undefined>();
  const follower: Revalidation = {
    id,
    keyHash: id,
    isStillValid() {
      asked += 1;
      if (asked >= wanted) wake.resolve(undefined);
      return answer();
    },
  };
  async function questions(count: number) {
    wanted = asked + count;
    wake = Promise.withResolvers();
    await wake.promise;
  }
  return { follower, questions, asked: () => asked };
}

describe("OpenStreams", () => {
  it("keeps silent streams alive, again and again", async () => {
    const streams = new StreamRegistry(always, many, shares);
    const [first, second] = [createStream(), createStream()];
    const removals = [first, second].map(({ stream }) => streams.add(stream));
    await Promise.all([first.beats(3), second.beats(3)]);
    removals.forEach((remove) => remove());
    assert.equal(first.done.cuts + second.done.cuts, 0);
  });

  it("leaves streams alone on which something is sent, whoever was opened first", async () => {
    const streams = new StreamRegistry({ checkMs: 1, heartbeatMs: 1000 }, many, shares);
    let now = 0;
    const clock = performance.now.bind(performance);
    performance.now = () => now;
    try {
      const [busy, silent, fresh] = [createStream(), createStream(), createStream()];
      const removals = [busy, silent].map(({ stream }) => streams.add(stream));
      now = 500;
      streams.touch(busy.stream);
      removals.push(streams.add(fresh.stream));
      now = 1000;
      await silent.beats(1);
      assert.deepEqual([busy.done.beats, silent.done.beats, fresh.done.beats], [0, 1, 0]);
      now = 1500;
      await Promise.all([busy.beats(1), fresh.beats(1)]);
      assert.equal(silent.done.beats, 1);
      removals.forEach((remove) => remove());
    } finally {
      performance.now = clock;
    }
  });

  it("asks once for all streams of a follower, at every tick", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const alice = createFollower("alice");
    const bob = createFollower("bob");
    const removals = [alice, alice, alice, bob].map(({ follower }) =>
      streams.add(createStream().stream, follower),
    );
    await bob.questions(3);
    removals.forEach((remove) => remove());
    assert.equal(alice.asked(), bob.asked());
  });

  it("cuts every stream of a follower that may not follow any more, and no other", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const good = createFollower("good");
    const revoked = createFollower("revoked", () => Promise.resolve(false));
    const [open, admin, ...gone] = Array.from({ length: 4 }, createStream);
    assert.ok(open && admin);
    const removals = [streams.add(open.stream, good.follower), streams.add(admin.stream)];
    removals.push(...gone.map(({ stream }) => streams.add(stream, revoked.follower)));
    await Promise.all(gone.map(({ cut }) => cut()));
    await good.questions(1);
    removals.forEach((remove) => remove());
    assert.deepEqual([open.done.cuts, admin.done.cuts], [0, 0]);
  });

  it("asks on behalf of a stream that is still open", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const [first, second] = [createFollower("alice"), createFollower("alice")];
    const remove = streams.add(createStream().stream, first.follower);
    const removeOther = streams.add(createStream().stream, second.follower);
    remove();
    await second.questions(2);
    removeOther();
    assert.equal(first.asked(), 0);
  });

  it("cuts every stream of a follower whom nobody vouches for, and leaves no rejection unhandled", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const good = createFollower("good");
    const unknown = createFollower("unknown", () => Promise.reject(new Error("down")));
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const [open, first, second] = [createStream(), createStream(), createStream()];
    const removals = [streams.add(open.stream, good.follower)];
    removals.push(...[first, second].map(({ stream }) => streams.add(stream, unknown.follower)));
    await Promise.all([first.cut(), second.cut(), good.questions(3)]);
    removals.forEach((remove) => remove());
    process.off("unhandledRejection", note);
    assert.deepEqual([open.done.cuts, unhandled], [0, []]);
  });

  it("leaves the streams of a follower alone for as long as the answer takes", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const { stream, done } = createStream();
    const answer = Promise.withResolvers<boolean>();
    const { follower, questions } = createFollower("alice", () => answer.promise);
    const remove = streams.add(stream, follower);
    await questions(3);
    answer.resolve(true);
    await questions(1);
    remove();
    assert.equal(done.cuts, 0);
  });

  it("leaves a stream alone once it is removed, however often it is removed or touched", async () => {
    const streams = new StreamRegistry(always, many, shares);
    const [gone, stays] = [createStream(), createStream()];
    const { follower, asked } = createFollower("gone");
    const remove = streams.add(gone.stream, follower);
    const removeOther = streams.add(stays.stream);
    remove();
    remove();
    streams.touch(gone.stream);
    await stays.beats(3);
    removeOther();
    streams.close();
    assert.deepEqual([gone.done, asked()], [{ beats: 0, cuts: 0 }, 0]);
  });

  it("starts its timer again after the last stream has gone", async () => {
    const streams = new StreamRegistry(always, many, shares);
    streams.add(createStream().stream)();
    const { stream, beats } = createStream();
    const remove = streams.add(stream);
    await beats(1);
    remove();
  });

  it("has room for so many streams, and refuses one more as unavailable until one is removed", async () => {
    const streams = new StreamRegistry(always, 2, shares);
    const refused = createStream();
    const follower = createFollower("refused");
    const [first, second] = [createStream(), createStream()];
    const removals = [first, second].map(({ stream }) => streams.add(stream));
    for (let i = 0; i < 3; i++) {
      assert.throws(() => streams.add(refused.stream, follower.follower), {
        code: Code.Unavailable,
        message: "too many event streams are open; try again later",
      });
    }
    await first.beats(2);
    assert.deepEqual([refused.done, follower.asked()], [{ beats: 0, cuts: 0 }, 0]);
    removals[0]!();
    removals[0]!();
    const third = createStream();
    removals.push(streams.add(third.stream));
    assert.throws(() => streams.add(refused.stream), { code: Code.Unavailable });
    await third.beats(1);
    removals.forEach((remove) => remove());
  });

  it("cuts a stream that comes after the end also where there is no room, so that it resumes elsewhere", () => {
    const streams = new StreamRegistry(never, 1, shares);
    const [open, late] = [createStream(), createStream()];
    const removals = [streams.add(open.stream)];
    streams.close();
    removals.push(streams.add(late.stream));
    removals.forEach((remove) => remove());
    assert.equal(late.done.cuts, 1);
  });

  it("lets a key have its share, refuses one more, and has it back once however often a stream is removed", () => {
    const shares = quarters(8);
    const streams = new StreamRegistry(never, 8, shares);
    const { follower: greedy } = createFollower("greedy");
    const { follower: modest } = createFollower("modest");
    const add = (follower?: Revalidation) => streams.add(createStream().stream, follower);
    const removals = [add(greedy), add(greedy)];
    for (let i = 0; i < 3; i++) assert.throws(() => add(greedy), { code: Code.ResourceExhausted });
    removals.push(add(modest), add(), add(), add());
    removals[0]!();
    removals[0]!();
    removals.push(add(greedy));
    assert.throws(() => add(greedy), { code: Code.ResourceExhausted });
    removals.forEach((remove) => remove());
    assert.deepEqual([streams.count, shares.size], [0, 0]);
  });

  it("takes nothing of a key's share where there is no room for anybody", () => {
    const shares = quarters(8);
    const streams = new StreamRegistry(never, 1, shares);
    const remove = streams.add(createStream().stream);
    const { follower } = createFollower("refused");
    for (let i = 0; i < 3; i++) {
      assert.throws(() => streams.add(createStream().stream, follower), { code: Code.Unavailable });
    }
    assert.equal(shares.size, 0);
    remove();
  });

  it("cuts a stream that comes after the end also where its key holds its share, and keeps nothing of it", () => {
    const shares = quarters(4);
    const streams = new StreamRegistry(never, 4, shares);
    const { follower } = createFollower("greedy");
    const late = createStream();
    const remove = streams.add(createStream().stream, follower);
    streams.close();
    streams.add(late.stream, follower)();
    assert.deepEqual([late.done.cuts, streams.count, shares.size], [1, 1, 1]);
    remove();
    assert.deepEqual([streams.count, shares.size], [0, 0]);
  });

  it("cuts every stream, and those that come later", () => {
    const streams = new StreamRegistry(never, many, shares);
    const open = [createStream(), createStream(), createStream()];
    const [first, second, late] = open.map(({ stream }) => stream);
    assert.ok(first && second && late);
    const removals = [first, second].map((stream) => streams.add(stream));
    streams.close();
    removals.push(streams.add(late));
    removals.forEach((remove) => remove());
    assert.deepEqual(
      open.map(({ done }) => done.cuts),
      [1, 1, 1],
    );
  });

  it("lets a stream be removed while all are being cut", () => {
    const streams = new StreamRegistry(never, many, shares);
    const last = createStream();
    const remove = streams.add({ ...createStream().stream, abort: () => remove() });
    const removeLast = streams.add(last.stream);
    streams.close();
    removeLast();
    assert.equal(last.done.cuts, 1);
  });
});

describe("defaultStreamIntervals", () => {
  it("notices within a second that a key's time is over, and lets 15 s of silence pass", () => {
    assert.deepEqual(defaultStreamIntervals, { checkMs: 1000, heartbeatMs: 15_000 });
  });
});
