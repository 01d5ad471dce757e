import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Workflow } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import {
  ListWorkflowsResponseSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { createdAt, workflowEvent, workflowIn } from "../support/samples.ts";
import { startDisposableStack, startStack } from "../support/stack.ts";

/** A state of a later orchestrator, and an invalid one; TypeScript accepts no number literal as a state. */
const [later, negative] = JSON.parse("[9, -1]") as [JobState, JobState];

type WorkflowFields = Exclude<MessageInitShape<typeof WorkflowSchema>, Workflow>;

/** Workflows with values that this version does not know, and the corrected response. */
const oddities: readonly [what: string, init: WorkflowFields, corrected: Record<string, unknown>][] = [
  ["an unknown state", { state: later }, { state: "UNKNOWN" }],
  ["a negative state", { state: negative }, { state: "UNKNOWN" }],
  ["the year 10000", { createdAt: { seconds: 253_402_300_800n } }, { created_at: undefined }],
  ["the year 0", { createdAt: { seconds: -62_135_596_801n } }, { created_at: undefined }],
  ["negative nanoseconds", { updatedAt: { seconds: 1n, nanos: -1 } }, { updated_at: undefined }],
  [
    "a second of nanoseconds",
    { updatedAt: { seconds: 1n, nanos: 1_000_000_000 } },
    { updated_at: undefined },
  ],
  [
    "the last instant of the year 9999",
    { updatedAt: { seconds: 253_402_300_799n, nanos: 999_999_999 } },
    { updated_at: "9999-12-31T23:59:59.999999999Z" },
  ],
  [
    "a step of an unknown state that ended at no time",
    { stepStatuses: [{ stepId: "a", state: later, finishedAt: { nanos: -5 } }] },
    { step_statuses: [{ step_id: "a", state: "UNKNOWN", fraction: 0, outputs: [], sequences: [] }] },
  ],
];

function odd(init: WorkflowFields) {
  const spec = { name: "odd", steps: [{ id: "a", tool: "af2" }] };
  const base = { id: "odd", spec, state: JobState.RUNNING, createdAt, updatedAt: createdAt };
  return create(WorkflowSchema, { ...base, ...init });
}

describe("unknown values of the orchestrator", () => {
  const stack = suite(() => startStack());

  for (const [what, init, corrected] of oddities) {
    it(`are corrected alone: ${what}`, async () => {
      const { gateway, upstream } = stack();
      upstream.rpcs.listWorkflows = () =>
        create(ListWorkflowsResponseSchema, {
          workflows: [workflowIn(JobState.RUNNING), odd(init), workflowIn(JobState.FAILED)],
        });
      upstream.rpcs.getWorkflow = () => odd(init);
      const list = (await (await gateway.fetch("/v1/workflows")).json()) as {
        workflows: Record<string, unknown>[];
      };
      const one = (await (await gateway.fetch("/v1/workflows/odd")).json()) as Record<string, unknown>;
      assert.deepEqual(
        list.workflows.map(({ id }) => id),
        ["w1", "odd", "w1"],
      );
      for (const workflow of [list.workflows[1]!, one])
        for (const [field, value] of Object.entries(corrected))
          assert.deepEqual(workflow[field], value, field);
    });
  }

  it("do not end an event stream, an unknown state included", async () => {
    const { gateway, upstream } = stack();
    upstream.rpcs.streamWorkflowEvents = async function* () {
      await Promise.resolve();
      const event = { case: "workflowUpdate", value: odd({ state: later }) } as const;
      yield create(WorkflowEventSchema, { workflowId: "odd", event, at: { nanos: -1 }, eventId: 1n });
      yield workflowEvent(2n, JobState.SUCCEEDED);
    };
    const reader = readEvents(await gateway.fetch("/v1/workflows/odd/events"));
    const first = JSON.parse((await reader.next()).data) as Record<string, Record<string, unknown>>;
    assert.equal(first["workflow_update"]?.["state"], "UNKNOWN");
    assert.equal(first["at"], undefined);
    assert.equal(JSON.parse((await reader.next()).data).workflow_update.state, "SUCCEEDED");
    assert.equal(await reader.ended, "clean");
  });

  it("are logged once a minute, with the id of the workflow", async () => {
    await using own = await startDisposableStack({ getWorkflow: () => odd({ state: later }) });
    for (let count = 0; count < 5; count += 1) await (await own.gateway.fetch("/v1/workflows/odd")).text();
    const lines = own.gateway.logs.filter(({ event }) => event === "response.corrected");
    assert.deepEqual(
      lines.map(({ level, field, workflow_id }) => [level, field, workflow_id]),
      [["warn", "state", "odd"]],
    );
  });

  it("are logged for events, with the id of the workflow", async () => {
    const value = { stepId: "a", state: later };
    for (const [field, changes] of [
      ["state", { event: { case: "stepUpdate", value } as const }],
      ["at", { at: { nanos: -1 }, event: { case: "stepUpdate", value: { stepId: "a" } } as const }],
      ["at", { at: { nanos: -1 }, event: { case: "workflowUpdate", value: odd({}) } as const }],
    ] as const) {
      await using own = await startDisposableStack({
        async *streamWorkflowEvents() {
          await Promise.resolve();
          yield create(WorkflowEventSchema, { workflowId: "odd", eventId: 1n, ...changes });
          yield workflowEvent(2n, JobState.SUCCEEDED);
        },
      });
      const reader = readEvents(await own.gateway.fetch("/v1/workflows/odd/events"));
      assert.equal(await reader.ended, "clean");
      const lines = own.gateway.logs.filter(({ event }) => event === "response.corrected");
      assert.deepEqual(
        lines.map((line) => [line.field, line.workflow_id]),
        [[field, "odd"]],
      );
    }
  });

  it("are rejected in requests", async () => {
    assert.equal((await stack().gateway.fetch("/v1/workflows?state=UNKNOWN")).status, 400);
  });
});
