import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StepStatusSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { stepStatusJson } from "../../src/mapping/step-status.ts";
import { eventJson, readEventStatus, readWorkflowStatus } from "../../src/mapping/workflow-event.ts";
import { workflowJson } from "../../src/mapping/workflow.ts";
import { createdAt, workflowIn } from "../support/samples.ts";
import { jsonOf, stringOf, written } from "./written.ts";

const status = create(StepStatusSchema, { stepId: "fold", state: JobState.FAILED, fraction: 0.5 });
const workflow = workflowIn(JobState.RUNNING);
const at = { seconds: 1767603603n };
const tail = '"at":"2026-01-05T09:00:03.000Z"}';

function encoded(event: MessageInitShape<typeof WorkflowEventSchema>): Uint8Array {
  return toBinary(WorkflowEventSchema, create(WorkflowEventSchema, event));
}

/** The whole JSON of an event. */
function textOf(bytes: Uint8Array): string | undefined {
  const event = eventJson(bytes);
  return event && event.before + stringOf(written(event.update, event.bytes)) + event.after;
}

const stepUpdate = { case: "stepUpdate", value: status } as const;
const workflowUpdate = { case: "workflowUpdate", value: workflow } as const;

describe("eventJson", () => {
  it("names and writes the update of a step", () => {
    const bytes = encoded({ workflowId: "w1", event: stepUpdate, at, eventId: 7n });
    assert.equal(eventJson(bytes)?.name, "step_update");
    const update = jsonOf(stepStatusJson, StepStatusSchema, status);
    assert.equal(textOf(bytes), `{"workflow_id":"w1","step_update":${update},${tail}`);
  });

  it("names and writes the update of a workflow", () => {
    const bytes = encoded({ workflowId: "w1", event: workflowUpdate, at });
    assert.equal(eventJson(bytes)?.name, "workflow_update");
    const update = jsonOf(workflowJson, WorkflowSchema, workflow);
    assert.equal(textOf(bytes), `{"workflow_id":"w1","workflow_update":${update},${tail}`);
  });

  it("passes over an event of a kind that it does not know", () => {
    assert.equal(eventJson(encoded({ workflowId: "w1", eventId: 3n })), undefined);
  });

  it("takes an absent time for the epoch, and leaves out one that RFC 3339 cannot write", () => {
    assert.match(textOf(encoded({ event: stepUpdate })) ?? "", /,"at":"1970-01-01T00:00:00.000Z"}$/);
    assert.doesNotMatch(textOf(encoded({ event: stepUpdate, at: { nanos: -1 } })) ?? "", /"at"/);
  });

  it("escapes the line breaks of a workflow id", () => {
    const event = eventJson(encoded({ workflowId: "a\n\u2028", event: stepUpdate }));
    assert.equal(event?.before, '{"workflow_id":"a\\n\\u2028","step_update":');
  });

  it("takes the last of two updates", () => {
    const bytes = Buffer.concat([encoded({ event: stepUpdate }), encoded({ event: workflowUpdate })]);
    assert.equal(eventJson(bytes)?.name, "workflow_update");
  });
});

describe("readEventStatus", () => {
  it("reads the id, and the state and time of a workflow's update", () => {
    const eventId = 2n ** 64n - 1n;
    assert.deepEqual(readEventStatus(encoded({ event: workflowUpdate, eventId })), {
      eventId,
      event: { case: "workflowUpdate", value: { state: JobState.RUNNING, updatedAt: createdAt } },
    });
  });

  it("reads a step's update, and an event of a kind that it does not know", () => {
    assert.deepEqual(readEventStatus(encoded({ event: stepUpdate, eventId: 1n })), {
      eventId: 1n,
      event: { case: "stepUpdate" },
    });
    assert.deepEqual(readEventStatus(encoded({})), { eventId: 0n, event: { case: undefined } });
  });
});

describe("readWorkflowStatus", () => {
  const read = (message: MessageInitShape<typeof WorkflowSchema>) =>
    readWorkflowStatus(toBinary(WorkflowSchema, create(WorkflowSchema, message)));

  it("reads the state and the time, absent ones too", () => {
    const updatedAt = create(TimestampSchema, { seconds: 9n, nanos: 9 });
    assert.deepEqual(read({ ...workflow, state: JobState.FAILED, updatedAt }), {
      state: JobState.FAILED,
      updatedAt,
    });
    assert.deepEqual(read({}), { state: JobState.UNSPECIFIED, updatedAt: undefined });
  });

  for (const state of JSON.parse("[6, -1, 2147483647]") as JobState[])
    it(`takes the state ${state} for none that is terminal`, () => {
      assert.equal(read({ state }).state, JobState.UNSPECIFIED);
    });
});
