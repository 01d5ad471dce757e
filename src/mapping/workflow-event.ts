import { fromBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { WireType } from "@bufbuild/protobuf/wire";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { isKnownState } from "./job-state.ts";
import { singleLineJson } from "./json-writer.ts";
import type { Transcoder } from "./transcoder.ts";
import { stepStatusTranscoder } from "./workflow.ts";
import { epoch, readTimestamp } from "./timestamp.ts";
import { tagOf, WireReader } from "./wire-reader.ts";
import { workflowTranscoder } from "./workflow.ts";

/** The state of a workflow, and when it last changed. */
export interface WorkflowStatus {
  readonly state: JobState;
  readonly updatedAt?: Timestamp | undefined;
}

/** The parts of an event that are needed to follow a workflow. */
export interface EventStatus {
  readonly eventId: bigint;
  /** Undefined if the event is no workflow update. */
  readonly update: WorkflowStatus | undefined;
}

/** The JSON of an event: `before`, the JSON that `update` writes from `bytes`, and `after`. */
export interface EventJson {
  readonly name: "step_update" | "workflow_update";
  readonly workflowId: string;
  /** Fields of the event itself that are left out because JSON cannot express their values. */
  readonly correctedFields: readonly string[];
  readonly before: string;
  readonly update: Transcoder;
  readonly bytes: Uint8Array;
  readonly after: string;
}

const { workflowId, stepUpdate, workflowUpdate, at, eventId } = WorkflowEventSchema.field;
const { state, updatedAt } = WorkflowSchema.field;

/** Reads only the state and the time of the last change from the bytes of a Workflow. */
export function readWorkflowStatus(bytes: Uint8Array): WorkflowStatus {
  const reader = new WireReader(bytes);
  let foundState = 0;
  let time: Timestamp | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.varint();
    if (tag === tagOf(state.number, WireType.Varint)) foundState = reader.int32();
    else if (tag === tagOf(updatedAt.number, WireType.LengthDelimited))
      time = fromBinary(TimestampSchema, reader.bytes());
    else reader.skipValue(tag, reader.len);
  }
  // An unknown state is not terminal.
  return { state: isKnownState(foundState) ? foundState : JobState.UNSPECIFIED, updatedAt: time };
}

/** Reads only the event id and the workflow's status from the bytes of a WorkflowEvent. */
export function readEventStatus(bytes: Uint8Array): EventStatus {
  const { eventId, name, update } = readParts(bytes);
  return { eventId, update: name === "workflow_update" ? readWorkflowStatus(update) : undefined };
}

/** The JSON of the WorkflowEvent in `bytes`; undefined for a kind of event that this version of the contract does not define. */
export function eventToJson(bytes: Uint8Array): EventJson | undefined {
  const { name, workflowId, update, time } = readParts(bytes);
  if (name === undefined) return undefined;
  return {
    name,
    workflowId,
    correctedFields: time === undefined ? [at.name] : [],
    before: `{"workflow_id":${singleLineJson(workflowId)},"${name}":`,
    update: name === "step_update" ? stepStatusTranscoder : workflowTranscoder,
    bytes: update,
    after: time === undefined ? "}" : `,"at":"${time}"}`,
  };
}

interface EventParts {
  eventId: bigint;
  workflowId: string;
  name: EventJson["name"] | undefined;
  update: Uint8Array;
  time: string | undefined;
}

function readParts(bytes: Uint8Array): EventParts {
  const reader = new WireReader(bytes);
  const parts: EventParts = { eventId: 0n, workflowId: "", name: undefined, update: bytes, time: epoch };
  while (reader.pos < reader.len) {
    const tag = reader.varint();
    switch (tag) {
      case tagOf(eventId.number, WireType.Varint):
        parts.eventId = BigInt(reader.uint64());
        break;
      case tagOf(workflowId.number, WireType.LengthDelimited):
        parts.workflowId = reader.string();
        break;
      // The last member of a oneof wins, as in every protobuf decoder.
      case tagOf(stepUpdate.number, WireType.LengthDelimited):
        Object.assign(parts, { name: "step_update", update: reader.bytes() });
        break;
      case tagOf(workflowUpdate.number, WireType.LengthDelimited):
        Object.assign(parts, { name: "workflow_update", update: reader.bytes() });
        break;
      case tagOf(at.number, WireType.LengthDelimited):
        parts.time = readTimestamp(reader, reader.nestedEnd(reader.len));
        break;
      default:
        reader.skipValue(tag, reader.len);
    }
  }
  return parts;
}
