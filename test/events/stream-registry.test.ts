import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { defaultStreamIntervals, StreamRegistry } from "../../src/events/stream-registry.ts";
import type { Revalidation } from "../../src/auth/authenticator.ts";
import { KeyShares } from "../../src/load-shedding/key-shares.ts";
import type { OpenStream, StreamRegistration } from "../../src/events/stream-registry.ts";
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

function dispose(registration: StreamRegistration): void {
  registration[Symbol.dispose]();
}

/** A stream, how often it was used, and promises of so many uses. */
function createStream() {
  const calls = { heartbeats: 0, aborts: 0 };
  let look: () => void = () => undefined;
  const stream: OpenStream = {
    heartbeat() {
      calls.heartbeats += 1;
      look();
    },
    abort() {
      calls.aborts += 1;
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
  const heartbeats = (count: number) => until(() => calls.heartbeats >= count);
  const aborted = () => until(() => calls.aborts > 0);
  return { stream, calls, heartbeats, aborted };
}

/** A revalidation, how often it was checked, and a promise of so many more checks. */
function createRevalidation(id: string, result: () => Promise<boolean> = () => Promise.resolve(true)) {
  let checked = 0;
  let wanted = Infinity;
  let wake = Promise.withResolvers<undefined>();
  const revalidation: Revalidation = {
    id,
    keyHash: id,
    isStillValid() {
      checked += 1;
      if (checked >= wanted) wake.resolve(undefined);
      return result();
    },
  };
  async function checks(count: number) {
    wanted = checked + count;
    wake = Promise.withResolvers();
    await wake.promise;
  }
  return { revalidation, checks, checked: () => checked };
}

describe("StreamRegistry", () => {
  it("sends heartbeats on silent streams", async () => {
    const streams = new StreamRegistry(always, many, shares);
    const [first, second] = [createStream(), createStream()];
    const registrations = [first, second].map(({ stream }) => streams.add(stream));
    await Promise.all([first.heartbeats(3), second.heartbeats(3)]);
    registrations.forEach(dispose);
    assert.equal(first.calls.aborts + second.calls.aborts, 0);
  });

  it("sends no heartbeat on a stream that was touched, in whatever order streams were added", async () => {
    const streams = new StreamRegistry({ checkMs: 1, heartbeatMs: 1000 }, many, shares);
    let now = 0;
    const clock = performance.now.bind(performance);
    performance.now = () => now;
    try {
      const [busy, silent, fresh] = [createStream(), createStream(), createStream()];
      const registrations = [busy, silent].map(({ stream }) => streams.add(stream));
      now = 500;
      registrations[0]!.recordSent();
      registrations.push(streams.add(fresh.stream));
      now = 1000;
      await silent.heartbeats(1);
      assert.deepEqual([busy.calls.heartbeats, silent.calls.heartbeats, fresh.calls.heartbeats], [0, 1, 0]);
      now = 1500;
      await Promise.all([busy.heartbeats(1), fresh.heartbeats(1)]);
      assert.equal(silent.calls.heartbeats, 1);
      registrations.forEach(dispose);
    } finally {
      performance.now = clock;
    }
  });

  it("revalidates each caller once in a check, however many streams it has", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const alice = createRevalidation("alice");
    const bob = createRevalidation("bob");
    const registrations = [alice, alice, alice, bob].map(({ revalidation }) =>
      streams.add(createStream().stream, revalidation),
    );
    await bob.checks(3);
    registrations.forEach(dispose);
    assert.equal(alice.checked(), bob.checked());
  });

  it("aborts every stream of a caller that is no longer allowed, and no other", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const good = createRevalidation("good");
    const revoked = createRevalidation("revoked", () => Promise.resolve(false));
    const [open, admin, ...gone] = Array.from({ length: 4 }, createStream);
    assert.ok(open && admin);
    const registrations = [streams.add(open.stream, good.revalidation), streams.add(admin.stream)];
    registrations.push(...gone.map(({ stream }) => streams.add(stream, revoked.revalidation)));
    await Promise.all(gone.map(({ aborted }) => aborted()));
    await good.checks(1);
    registrations.forEach(dispose);
    assert.deepEqual([open.calls.aborts, admin.calls.aborts], [0, 0]);
  });

  it("revalidates by a stream that is still open", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const [first, second] = [createRevalidation("alice"), createRevalidation("alice")];
    const registration = streams.add(createStream().stream, first.revalidation);
    const other = streams.add(createStream().stream, second.revalidation);
    dispose(registration);
    await second.checks(2);
    dispose(other);
    assert.equal(first.checked(), 0);
  });

  it("aborts every stream of a caller whose revalidation rejects, and leaves no rejection unhandled", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const good = createRevalidation("good");
    const unknown = createRevalidation("unknown", () => Promise.reject(new Error("down")));
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const [open, first, second] = [createStream(), createStream(), createStream()];
    const registrations = [streams.add(open.stream, good.revalidation)];
    registrations.push(...[first, second].map(({ stream }) => streams.add(stream, unknown.revalidation)));
    await Promise.all([first.aborted(), second.aborted(), good.checks(3)]);
    registrations.forEach(dispose);
    process.off("unhandledRejection", note);
    assert.deepEqual([open.calls.aborts, unhandled], [0, []]);
  });

  it("keeps the streams of a caller open while its revalidation takes long", async () => {
    const streams = new StreamRegistry(never, many, shares);
    const { stream, calls } = createStream();
    const result = Promise.withResolvers<boolean>();
    const { revalidation, checks } = createRevalidation("alice", () => result.promise);
    const registration = streams.add(stream, revalidation);
    await checks(3);
    result.resolve(true);
    await checks(1);
    dispose(registration);
    assert.equal(calls.aborts, 0);
  });

  it("leaves a stream alone once its registration is disposed of, even if it is touched later", async () => {
    const streams = new StreamRegistry(always, many, shares);
    const [gone, stays] = [createStream(), createStream()];
    const { revalidation, checked } = createRevalidation("gone");
    const registration = streams.add(gone.stream, revalidation);
    const other = streams.add(stays.stream);
    dispose(registration);
    dispose(registration);
    registration.recordSent();
    await stays.heartbeats(3);
    dispose(other);
    streams.close();
    assert.deepEqual([gone.calls, checked()], [{ heartbeats: 0, aborts: 0 }, 0]);
  });

  it("starts its timer again after the last stream was removed", async () => {
    const streams = new StreamRegistry(always, many, shares);
    dispose(streams.add(createStream().stream));
    const { stream, heartbeats } = createStream();
    const registration = streams.add(stream);
    await heartbeats(1);
    dispose(registration);
  });

  it("throws 503 for one stream more than the limit, until one is removed", async () => {
    const streams = new StreamRegistry(always, 2, shares);
    const rejected = createStream();
    const caller = createRevalidation("rejected");
    const [first, second] = [createStream(), createStream()];
    const registrations = [first, second].map(({ stream }) => streams.add(stream));
    for (let i = 0; i < 3; i++) {
      assert.throws(() => streams.add(rejected.stream, caller.revalidation), {
        code: Code.Unavailable,
        message: "too many event streams are open; try again later",
      });
    }
    await first.heartbeats(2);
    assert.deepEqual([rejected.calls, caller.checked()], [{ heartbeats: 0, aborts: 0 }, 0]);
    dispose(registrations[0]!);
    dispose(registrations[0]!);
    const third = createStream();
    registrations.push(streams.add(third.stream));
    assert.throws(() => streams.add(rejected.stream), { code: Code.Unavailable });
    await third.heartbeats(1);
    registrations.forEach(dispose);
  });

  it("aborts a stream that is added after close even at the limit, so that it resumes elsewhere", () => {
    const streams = new StreamRegistry(never, 1, shares);
    const [open, late] = [createStream(), createStream()];
    const registrations = [streams.add(open.stream)];
    streams.close();
    registrations.push(streams.add(late.stream));
    registrations.forEach(dispose);
    assert.equal(late.calls.aborts, 1);
  });

  it("throws 429 for one stream more than the share of a key, and releases a stream once however often it is disposed of", () => {
    const shares = quarters(8);
    const streams = new StreamRegistry(never, 8, shares);
    const { revalidation: greedy } = createRevalidation("greedy");
    const { revalidation: modest } = createRevalidation("modest");
    const add = (revalidation?: Revalidation) => streams.add(createStream().stream, revalidation);
    const registrations = [add(greedy), add(greedy)];
    for (let i = 0; i < 3; i++) assert.throws(() => add(greedy), { code: Code.ResourceExhausted });
    registrations.push(add(modest), add(), add(), add());
    dispose(registrations[0]!);
    dispose(registrations[0]!);
    registrations.push(add(greedy));
    assert.throws(() => add(greedy), { code: Code.ResourceExhausted });
    registrations.forEach(dispose);
    assert.deepEqual([streams.count, shares.size], [0, 0]);
  });

  it("takes nothing of the share of a key at the limit of all streams", () => {
    const shares = quarters(8);
    const streams = new StreamRegistry(never, 1, shares);
    const registration = streams.add(createStream().stream);
    const { revalidation } = createRevalidation("rejected");
    for (let i = 0; i < 3; i++) {
      assert.throws(() => streams.add(createStream().stream, revalidation), { code: Code.Unavailable });
    }
    assert.equal(shares.size, 0);
    dispose(registration);
  });

  it("aborts a stream that is added after close even at the share of its key, and keeps nothing of it", () => {
    const shares = quarters(4);
    const streams = new StreamRegistry(never, 4, shares);
    const { revalidation } = createRevalidation("greedy");
    const late = createStream();
    const registration = streams.add(createStream().stream, revalidation);
    streams.close();
    dispose(streams.add(late.stream, revalidation));
    assert.deepEqual([late.calls.aborts, streams.count, shares.size], [1, 1, 1]);
    dispose(registration);
    assert.deepEqual([streams.count, shares.size], [0, 0]);
  });

  it("aborts every stream on close, and those that are added later", () => {
    const streams = new StreamRegistry(never, many, shares);
    const open = [createStream(), createStream(), createStream()];
    const [first, second, late] = open.map(({ stream }) => stream);
    assert.ok(first && second && late);
    const registrations = [first, second].map((stream) => streams.add(stream));
    streams.close();
    registrations.push(streams.add(late));
    registrations.forEach(dispose);
    assert.deepEqual(
      open.map(({ calls }) => calls.aborts),
      [1, 1, 1],
    );
  });

  it("lets a stream be removed while all are aborted", () => {
    const streams = new StreamRegistry(never, many, shares);
    const last = createStream();
    const registration = streams.add({ ...createStream().stream, abort: () => dispose(registration) });
    const lastRegistration = streams.add(last.stream);
    streams.close();
    dispose(lastRegistration);
    assert.equal(last.calls.aborts, 1);
  });
});

describe("defaultStreamIntervals", () => {
  it("checks every second, and sends a heartbeat after 15 s of silence", () => {
    assert.deepEqual(defaultStreamIntervals, { checkMs: 1000, heartbeatMs: 15_000 });
  });
});
