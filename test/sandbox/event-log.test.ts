import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { StepStatusSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createEventLog, type EventLog } from "../../src/sandbox/event-log.ts";
import { readAll } from "./support.ts";

const never = new AbortController().signal;

function append(log: EventLog, count: number) {
  for (let i = 0; i < count; i++)
    log.append({ case: "stepUpdate", value: create(StepStatusSchema, { stepId: "a" }) }, timestampFromMs(0));
}

async function idsOf(events: AsyncIterable<{ eventId: bigint }>): Promise<number[]> {
  return (await readAll(events)).map(({ eventId }) => Number(eventId));
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("createEventLog", () => {
  it("replays what is stored above an id and then yields what comes, for each follower", async () => {
    const log = createEventLog("w");
    let over = false;
    append(log, 5);
    const followers = [0n, 2n, 5n, 7n].map((after) => idsOf(log.follow(after, () => over, never)));
    await Promise.resolve();
    append(log, 3);
    over = true;
    append(log, 1);
    assert.deepEqual(await Promise.all(followers), [range(1, 9), range(3, 9), range(6, 9), range(8, 9)]);
    assert.equal(log.waiting, 0);
  });

  it("ends at once when all is over and sent, even for an id that never was", async () => {
    const log = createEventLog("w");
    append(log, 2);
    assert.deepEqual(await idsOf(log.follow(2n, () => true, never)), []);
    assert.deepEqual(await idsOf(log.follow(2n ** 64n - 1n, () => true, never)), []);
  });

  it("lets a slow follower find all it missed, and does not wait for it", async () => {
    const log = createEventLog("w");
    append(log, 1);
    let over = false;
    const slow = log.follow(0n, () => over, never)[Symbol.asyncIterator]();
    assert.equal((await slow.next()).value?.eventId, 1n);
    append(log, 1000);
    over = true;
    assert.equal(log.waiting, 0);
    assert.deepEqual(await idsOf({ [Symbol.asyncIterator]: () => slow }), range(2, 1001));
  });

  it("removes a follower that aborts", async () => {
    const log = createEventLog("w");
    const leaving = new AbortController();
    const gone = idsOf(log.follow(0n, () => false, leaving.signal));
    void idsOf(log.follow(0n, () => false, never));
    assert.equal(log.waiting, 2);
    leaving.abort();
    assert.equal(log.waiting, 1);
    assert.deepEqual(await gone, []);
    assert.deepEqual(await idsOf(log.follow(0n, () => false, leaving.signal)), []);
  });
});
