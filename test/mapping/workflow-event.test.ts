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
import { eventToJson, readEventStatus, readWorkflowStatus } from "../../src/mapping/workflow-event.ts";
import { createdAt, workflowIn } from "../support/samples.ts";
import { jsonOf, textOf, transcode, transcoders } from "./transcode.ts";

const status = create(StepStatusSchema, { stepId: "fold", state: JobState.FAILED, fraction: 0.5 });
const workflow = workflowIn(JobState.RUNNING);
const at = { seconds: 1767603603n };
const tail = '"at":"2026-01-05T09:00:03.000Z"}';

function encoded(event: MessageInitShape<typeof WorkflowEventSchema>): Uint8Array {
  return toBinary(WorkflowEventSchema, create(WorkflowEventSchema, event));
}

/** The complete JSON of an event. */
function eventText(bytes: Uint8Array): string | undefined {
  const event = eventToJson(bytes, transcoders);
  return event && textOf(transcode(event, bytes));
}

const stepUpdate = { case: "stepUpdate", value: status } as const;
const workflowUpdate = { case: "workflowUpdate", value: workflow } as const;

describe("eventToJson", () => {
  it("returns the name and the JSON of a step update", () => {
    const bytes = encoded({ workflowId: "w1", event: stepUpdate, at, eventId: 7n });
    assert.equal(eventToJson(bytes, transcoders)?.name, "step_update");
    const update = jsonOf(transcoders.stepStatus, StepStatusSchema, status);
    assert.equal(eventText(bytes), `{"workflow_id":"w1","step_update":${update},${tail}`);
  });

  it("returns the name and the JSON of a workflow update", () => {
    const bytes = encoded({ workflowId: "w1", event: workflowUpdate, at });
    assert.equal(eventToJson(bytes, transcoders)?.name, "workflow_update");
    const update = jsonOf(transcoders.workflow, WorkflowSchema, workflow);
    assert.equal(eventText(bytes), `{"workflow_id":"w1","workflow_update":${update},${tail}`);
  });

  it("returns undefined for an unknown kind of event", () => {
    assert.equal(eventToJson(encoded({ workflowId: "w1", eventId: 3n }), transcoders), undefined);
  });

  it("returns the epoch for an absent time, and leaves out a time outside the range of RFC 3339", () => {
    assert.match(eventText(encoded({ event: stepUpdate })) ?? "", /,"at":"1970-01-01T00:00:00.000Z"}$/);
    assert.doesNotMatch(eventText(encoded({ event: stepUpdate, at: { nanos: -1 } })) ?? "", /"at"/);
  });

  it("escapes the line breaks of a workflow id", () => {
    const text = eventText(encoded({ workflowId: "a\n\u2028", event: stepUpdate }));
    assert.match(text ?? "", /^\{"workflow_id":"a\\n\\u2028","step_update":/);
  });

  it("uses the last of two updates", () => {
    const bytes = Buffer.concat([encoded({ event: stepUpdate }), encoded({ event: workflowUpdate })]);
    assert.equal(eventToJson(bytes, transcoders)?.name, "workflow_update");
  });
});

describe("readEventStatus", () => {
  it("reads the id, the state and the time of a workflow update", () => {
    const eventId = 2n ** 64n - 1n;
    assert.deepEqual(readEventStatus(encoded({ event: workflowUpdate, eventId })), {
      eventId,
      update: { state: JobState.RUNNING, updatedAt: createdAt },
    });
  });

  it("reads a step update and an unknown kind of event", () => {
    assert.deepEqual(readEventStatus(encoded({ event: stepUpdate, eventId: 1n })), {
      eventId: 1n,
      update: undefined,
    });
    assert.deepEqual(readEventStatus(encoded({})), { eventId: 0n, update: undefined });
  });
});

describe("readWorkflowStatus", () => {
  const read = (message: MessageInitShape<typeof WorkflowSchema>) =>
    readWorkflowStatus(toBinary(WorkflowSchema, create(WorkflowSchema, message)));

  it("reads the state and the time, present or absent", () => {
    const updatedAt = create(TimestampSchema, { seconds: 9n, nanos: 9 });
    assert.deepEqual(read({ ...workflow, state: JobState.FAILED, updatedAt }), {
      state: JobState.FAILED,
      updatedAt,
    });
    assert.deepEqual(read({}), { state: JobState.UNSPECIFIED, updatedAt: undefined });
  });

  for (const state of JSON.parse("[6, -1, 2147483647]") as JobState[])
    it(`reads the unknown state ${state} as not terminal`, () => {
      assert.equal(read({ state }).state, JobState.UNSPECIFIED);
    });
});
