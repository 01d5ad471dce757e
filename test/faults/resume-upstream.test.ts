import assert from "node:assert/strict";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { eventIds, LiveRun, rpcsOf } from "../support/live-run.ts";
import { RunFollower } from "../support/run-follower.ts";
import { startStack } from "../support/stack.ts";

/** Every event of the run, and the snapshot before them. */
const steps = Array.from({ length: eventIds.length + 1 }, (_, step) => step);

describe("GET /v1/workflows/{id}/events, when the orchestrator breaks every connection", () => {
  let run = new LiveRun("w1");
  const stack = suite(() =>
    startStack(
      rpcsOf(() => run),
      {},
      { retryPolicy: { maxRetries: 3, backoffMs: () => 0, idleTimeoutMs: 30 } },
    ),
  );

  /** A client that checks every event as it comes; `take` takes the next one, `end` checks that there is none. */
  async function follow() {
    run = new LiveRun("w1");
    const follower = new RunFollower();
    follower.connect();
    const reader = readEvents(await stack().gateway.fetch("/v1/workflows/w1/events"));
    let taken = 0;
    return {
      follower,
      async take() {
        follower.take(await reader.next());
        taken += 1;
      },
      async end() {
        assert.equal(await reader.ended, "clean");
        assert.equal(reader.events.length, taken);
        assert.equal(follower.known, eventIds.length);
        await run.hasFollowers(0);
      },
    };
  }

  it("sends every event once, however often the connections break between events", async () => {
    const { follower, take, end } = await follow();
    for (const step of steps) {
      run.advance(step);
      await take();
      assert.equal(follower.known, step);
      stack().upstream.dropConnections();
      await run.hasFollowers(0);
    }
    await end();
  });

  for (const broken of steps)
    it(`sends every event once when the connections break during event ${broken} of ${eventIds.length}`, async () => {
      const { follower, take, end } = await follow();
      for (let step = 0; step < broken; step += 1) {
        run.advance(step);
        await take();
      }
      run.advance(broken);
      stack().upstream.dropConnections();
      run.advance(eventIds.length);
      while (follower.known < eventIds.length) await take();
      await end();
    });
});
