import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type {
  StepStatus,
  Workflow,
  WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { connect, readAll, readUntil, useSandbox } from "./support.ts";

const { QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED } = JobState;

function stepUpdates(events: readonly WorkflowEvent[]): StepStatus[] {
  return events.flatMap(({ event }) => (event.case === "stepUpdate" ? [event.value] : []));
}

function states({ stepStatuses }: Workflow): Record<string, JobState> {
  return Object.fromEntries(stepStatuses.map(({ stepId, state }) => [stepId, state]));
}

const isRunningStep = ({ event }: WorkflowEvent) =>
  event.case === "stepUpdate" && event.value.state === RUNNING;

describe("a run", () => {
  const test = useSandbox();

  /** What a workflow's log holds above id 1. */
  const replay = (workflowId: string, fromEventId = 1n) =>
    readAll(test.orchestrator.streamWorkflowEvents({ workflowId, fromEventId }));

  it("runs steps in the order of their dependencies, and those that may at once", async () => {
    const { id, stepStatuses } = await test.run([
      { id: "join", dependsOn: ["left", "right", "left"] },
      { id: "left", dependsOn: ["root"] },
      { id: "right", dependsOn: ["root"] },
      { id: "root" },
    ]);
    const log = stepUpdates(await replay(id));
    const at = (step: string, state: JobState) =>
      log.findIndex((s) => s.stepId === step && s.state === state);
    assert.ok(at("root", SUCCEEDED) < at("left", RUNNING));
    assert.ok(at("right", RUNNING) < at("left", SUCCEEDED));
    assert.ok(at("left", RUNNING) < at("right", SUCCEEDED));
    assert.ok(Math.max(at("left", SUCCEEDED), at("right", SUCCEEDED)) < at("join", RUNNING));
    assert.ok(at("join", RUNNING) < at("join", SUCCEEDED));
    // A dependency that is named twice is still one.
    assert.equal(stepStatuses[0]?.outputs.length, 2);
  });

  it("reports rising fractions and true times", async () => {
    const { id, createdAt, updatedAt } = await test.run([{ id: "a" }]);
    const log = stepUpdates(await replay(id));
    assert.deepEqual(
      log.map(({ fraction }) => fraction),
      [0, 0.25, 0.5, 0.75, 1],
    );
    const last = log.at(-1);
    assert.ok(last?.startedAt && last.finishedAt && createdAt && updatedAt);
    assert.deepEqual(log[0]?.startedAt, last.startedAt);
    assert.equal(log[0].finishedAt, undefined);
  });

  it("finishes independent branches, leaves what is downstream of a failure queued, and then is FAILED", async () => {
    const failed = await test.run([
      { id: "bad", params: { sandbox_fail: 1 } },
      { id: "after", dependsOn: ["bad"] },
      { id: "last", dependsOn: ["after"] },
      { id: "good" },
      { id: "better", dependsOn: ["good"] },
      { id: "both", dependsOn: ["better", "bad"] },
    ]);
    assert.equal(failed.state, FAILED);
    assert.deepEqual(states(failed), {
      bad: FAILED,
      after: QUEUED,
      last: QUEUED,
      good: SUCCEEDED,
      better: SUCCEEDED,
      both: QUEUED,
    });
    const { error } = failed.stepStatuses[0] ?? {};
    assert.deepEqual(
      [error?.code, error?.message, error?.retryable],
      ["SANDBOX_FAIL", "failed on purpose, 1 of 1 times", true],
    );
    const end = (await replay(failed.id)).at(-1)?.event;
    assert.ok(end?.case === "workflowUpdate" && end.value.state === FAILED);
  });
});

describe("RetryWorkflow", () => {
  const test = useSandbox();

  it("runs the failed steps again and what is downstream, and keeps what succeeded", async () => {
    const failed = await test.run([
      { id: "good", tool: "rfdiffusion" },
      { id: "bad", dependsOn: ["good"], params: { sandbox_fail: 2 } },
      { id: "after", dependsOn: ["bad"] },
    ]);
    const { id: workflowId } = failed;
    const lastEventId = BigInt((await replayFrom(workflowId, 1n)).length + 1);

    const queued = await test.orchestrator.retryWorkflow({ workflowId });
    assert.equal(queued.state, QUEUED);
    assert.deepEqual(states(queued), { good: SUCCEEDED, bad: QUEUED, after: QUEUED });
    assert.equal(queued.stepStatuses[1]?.error, undefined);
    assert.deepEqual(states(await test.finish(workflowId)), { good: SUCCEEDED, bad: FAILED, after: QUEUED });

    await test.orchestrator.retryWorkflow({ workflowId });
    const finished = await test.finish(workflowId);
    assert.equal(finished.state, SUCCEEDED);
    assert.deepEqual(finished.stepStatuses[0], failed.stepStatuses[0]);
    assert.equal(finished.stepStatuses[2]?.outputs.length, 1);
    const later = await replayFrom(workflowId, lastEventId);
    assert.equal(later[0]?.eventId, lastEventId + 1n);
    assert.ok(stepUpdates(later).every(({ stepId }) => stepId !== "good"));
  });

  async function replayFrom(workflowId: string, fromEventId: bigint) {
    return readAll(test.orchestrator.streamWorkflowEvents({ workflowId, fromEventId }));
  }

  it("rejects a workflow in any other state", async () => {
    const { id: workflowId } = await test.run([{ id: "a" }]);
    await assert.rejects(test.orchestrator.retryWorkflow({ workflowId }), {
      code: Code.FailedPrecondition,
      rawMessage: `workflow ${workflowId} is SUCCEEDED: only a FAILED workflow can be retried`,
    });
  });
});

describe("CancelWorkflow", () => {
  const test = useSandbox({ stepSeconds: 600 });

  it("stops steps that run and steps that wait, and ends the stream", async () => {
    const { id: workflowId } = await test.submit([{ id: "a" }, { id: "b", dependsOn: ["a"] }]);
    const follower = readAll(test.orchestrator.streamWorkflowEvents({ workflowId, fromEventId: 1n }));
    const running = test.orchestrator.streamWorkflowEvents({ workflowId, fromEventId: 1n });
    await readUntil(running, isRunningStep);
    const cancelled = await test.orchestrator.cancelWorkflow({ workflowId });
    assert.equal(cancelled.state, CANCELLED);
    assert.deepEqual(states(cancelled), { a: CANCELLED, b: CANCELLED });
    const end = (await follower).at(-1)?.event;
    assert.ok(end?.case === "workflowUpdate" && end.value.state === CANCELLED);
  });

  it("returns a terminal workflow as it is", async () => {
    const { id: workflowId } = await test.submit([{ id: "a" }]);
    const first = await test.orchestrator.cancelWorkflow({ workflowId });
    assert.deepEqual(await test.orchestrator.cancelWorkflow({ workflowId }), first);
    await assert.rejects(test.orchestrator.retryWorkflow({ workflowId }), { code: Code.FailedPrecondition });
  });
});

describe("CancelWorkflow at any time", () => {
  const test = useSandbox();

  it("lets nothing change after a cancellation, whenever it comes", async () => {
    for (let turns = 0; turns < 40; turns++) {
      const { id: workflowId } = await test.submit([{ id: "a" }, { id: "b", dependsOn: ["a"] }, { id: "c" }]);
      for (let i = 0; i < turns; i++) await nextTurn();
      await test.orchestrator.cancelWorkflow({ workflowId });
      const workflow = await test.finish(workflowId);
      const allowed = workflow.state === CANCELLED ? [CANCELLED, SUCCEEDED] : [SUCCEEDED];
      assert.ok(workflow.stepStatuses.every(({ state }) => allowed.includes(state)));
      const log = test.orchestrator.streamWorkflowEvents({ workflowId, fromEventId: 1n });
      const end = (await readAll(log)).at(-1)?.event;
      assert.ok(end?.case === "workflowUpdate" && end.value.state === workflow.state);
    }
  });
});

describe("StreamWorkflowEvents", () => {
  const test = useSandbox();
  const slow = useSandbox({ stepSeconds: 600 });

  it("sends one snapshot without an id and then live events with rising ids to the end", async () => {
    const { id: workflowId } = await test.submit([{ id: "a" }, { id: "b", dependsOn: ["a"] }]);
    const events = await readAll(test.orchestrator.streamWorkflowEvents({ workflowId }));
    const [snapshot, ...live] = events;
    assert.ok(snapshot?.event.case === "workflowUpdate" && snapshot.eventId === 0n);
    const [first] = live;
    assert.ok(first !== undefined && first.eventId > 0n);
    assert.deepEqual(
      live.map(({ eventId }) => eventId),
      live.map((_, i) => first.eventId + BigInt(i)),
    );
    assert.ok(events.every((event) => event.workflowId === workflowId && event.at !== undefined));
    const last = live.at(-1)?.event;
    assert.ok(last?.case === "workflowUpdate" && last.value.state === SUCCEEDED);
  });

  it("replays from any id without loss or repetition, for many at once and while the run goes on", async () => {
    const { id: workflowId } = await test.submit([{ id: "a" }, { id: "b", dependsOn: ["a"] }, { id: "c" }]);
    const follow = async (fromEventId: bigint) =>
      (await readAll(test.orchestrator.streamWorkflowEvents({ workflowId, fromEventId }))).map(
        ({ eventId }) => eventId,
      );
    const froms = Array.from({ length: 24 }, (_, i) => BigInt(i + 1));
    const live = await Promise.all(froms.map(follow));
    const total = live[0]?.at(-1);
    // Three steps with five reports each; QUEUED, RUNNING and SUCCEEDED of the workflow.
    assert.equal(total, 18n);
    for (const [i, from] of froms.entries()) {
      const expected: bigint[] = Array.from(
        { length: Math.max(0, Number(total - from)) },
        (_, k) => from + BigInt(k + 1),
      );
      assert.deepEqual(live[i], expected);
      assert.deepEqual(await follow(from), expected);
    }
  });

  it("sends the snapshot of a finished workflow and ends", async () => {
    const { id: workflowId } = await test.run([{ id: "a" }]);
    const events = await readAll(test.orchestrator.streamWorkflowEvents({ workflowId }));
    assert.equal(events.length, 1);
    const [only] = events;
    assert.ok(only?.event.case === "workflowUpdate" && only.event.value.state === SUCCEEDED);
    assert.equal(only.eventId, 0n);
  });

  it("ends at once when there is nothing above the id", async () => {
    const { id: workflowId } = await test.run([{ id: "a" }]);
    for (const fromEventId of [8n, 2n ** 64n - 1n])
      assert.deepEqual(
        await readAll(test.orchestrator.streamWorkflowEvents({ workflowId, fromEventId })),
        [],
      );
  });

  it("removes a subscriber that disconnects", async () => {
    const { id: workflowId } = await slow.submit([{ id: "a" }]);
    const leaving = new AbortController();
    const events = slow.orchestrator.streamWorkflowEvents({ workflowId }, { signal: leaving.signal });
    await readUntil(events, ({ eventId }) => eventId === 0n);
    assert.equal(slow.sandbox.openStreams(), 1);
    leaving.abort();
    while (slow.sandbox.openStreams() > 0) await slow.orchestrator.getWorkflow({ workflowId });
  });

  it("loses its subscribers when connections drop, and serves them when they come back", async () => {
    const { id: workflowId } = await slow.submit([{ id: "a" }]);
    const client = connect(slow.sandbox.orchestratorUrl);
    const events = client.streamWorkflowEvents({ workflowId, fromEventId: 1n });
    await assert.rejects(
      readUntil(events, (event) => {
        if (isRunningStep(event)) slow.sandbox.dropConnections();
        return false;
      }),
    );
    const again = slow.orchestrator.streamWorkflowEvents({ workflowId, fromEventId: 2n });
    const [next] = await readUntil(again, isRunningStep);
    assert.equal(next?.eventId, 3n);
  });
});
