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
import { singleLineJson } from "./json-text.ts";
import type { MessageJson } from "./message-json.ts";
import { stepStatusJson } from "./step-status.ts";
import { epoch, readTime } from "./time.ts";
import { tagOf, WireReader } from "./wire.ts";
import { workflowJson } from "./workflow.ts";

/** Where a workflow stands, and since when. */
export interface WorkflowStatus {
  readonly state: JobState;
  readonly updatedAt?: Timestamp | undefined;
}

/** What is read of an event to follow a workflow by. */
export interface EventStatus {
  readonly eventId: bigint;
  readonly event:
    | { readonly case: "workflowUpdate"; readonly value: WorkflowStatus }
    | { readonly case: "stepUpdate" }
    | { readonly case: undefined };
}

/** The JSON of an event, but for its update: `before`, the update as `update` writes it from `bytes`, and `after`. */
export interface EventJson {
  readonly name: "step_update" | "workflow_update";
  readonly workflowId: string;
  /** Its own fields that JSON cannot tell as they came. */
  readonly unusable: readonly string[];
  readonly before: string;
  readonly update: MessageJson;
  readonly bytes: Uint8Array;
  readonly after: string;
}

const { workflowId, stepUpdate, workflowUpdate, at, eventId } = WorkflowEventSchema.field;
const { state, updatedAt } = WorkflowSchema.field;

/** Where the workflow stands whose message `bytes` hold; no more of them is read. */
export function readWorkflowStatus(bytes: Uint8Array): WorkflowStatus {
  const reader = new WireReader(bytes);
  let found = 0;
  let time: Timestamp | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === tagOf(state.number, WireType.Varint)) found = reader.int32();
    else if (tag === tagOf(updatedAt.number, WireType.LengthDelimited))
      time = fromBinary(TimestampSchema, reader.bytes());
    else reader.skipValue(tag, reader.len);
  }
  // A state that is not known is not terminal.
  return { state: isKnownState(found) ? found : JobState.UNSPECIFIED, updatedAt: time };
}

/** What the WorkflowEvent in `bytes` says of its place and of its workflow; no more of it is read. */
export function readEventStatus(bytes: Uint8Array): EventStatus {
  const parts = readParts(bytes);
  const event =
    parts.name === "workflow_update"
      ? ({ case: "workflowUpdate", value: readWorkflowStatus(parts.update) } as const)
      : ({ case: parts.name === undefined ? undefined : "stepUpdate" } as const);
  return { eventId: parts.eventId, event };
}

/** The JSON of the WorkflowEvent in `bytes`; undefined for a kind that this version of the contract does not know. */
export function eventJson(bytes: Uint8Array): EventJson | undefined {
  const { name, workflowId, update, time } = readParts(bytes);
  if (name === undefined) return undefined;
  return {
    name,
    workflowId,
    unusable: time === undefined ? [at.name] : [],
    before: `{"workflow_id":${singleLineJson(workflowId)},"${name}":`,
    update: name === "step_update" ? stepStatusJson : workflowJson,
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
    const tag = reader.uint32();
    switch (tag) {
      case tagOf(eventId.number, WireType.Varint):
        parts.eventId = BigInt(reader.uint64());
        break;
      case tagOf(workflowId.number, WireType.LengthDelimited):
        parts.workflowId = reader.string();
        break;
      // Of a oneof that is there twice, the last one counts.
      case tagOf(stepUpdate.number, WireType.LengthDelimited):
        Object.assign(parts, { name: "step_update", update: reader.bytes() });
        break;
      case tagOf(workflowUpdate.number, WireType.LengthDelimited):
        Object.assign(parts, { name: "workflow_update", update: reader.bytes() });
        break;
      case tagOf(at.number, WireType.LengthDelimited):
        parts.time = readTime(reader, reader.nestedEnd(reader.len));
        break;
      default:
        reader.skipValue(tag, reader.len);
    }
  }
  return parts;
}
