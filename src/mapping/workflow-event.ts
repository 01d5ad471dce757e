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
import type { JsonWriter } from "./json-writer.ts";
import type { Transcoder } from "./transcoder.ts";
import { WorkflowScope } from "./scope.ts";
import type { WorkflowTranscoders } from "./workflow.ts";
import { readTime, writeTime } from "./timestamp.ts";
import { tagOf, WireReader } from "./wire-reader.ts";

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
  const isWorkflow = name === "workflow_update";
  return { eventId, update: isWorkflow ? readWorkflowStatus(bytes.subarray(...update)) : undefined };
}

/** The JSON of the WorkflowEvent in `bytes`; undefined for a kind of event that this version of the contract does not define. */
export function eventToJson(bytes: Uint8Array, transcoders: WorkflowTranscoders): EventJson | undefined {
  const parts = readParts(bytes);
  return parts.name === undefined ? undefined : new EventJson(parts.name, parts, transcoders);
}

const labels = {
  workflow_id: Buffer.from('{"workflow_id":'),
  step_update: Buffer.from(',"step_update":'),
  workflow_update: Buffer.from(',"workflow_update":'),
  at: Buffer.from(',"at":'),
};

/** Writes one event as JSON, from its own bytes only. */
export class EventJson implements Transcoder {
  readonly name: "step_update" | "workflow_update";
  readonly #parts: EventParts;
  readonly #update: Transcoder;
  #bytesBeforeTime = 0;

  constructor(name: EventJson["name"], parts: EventParts, { stepStatus, workflow }: WorkflowTranscoders) {
    this.name = name;
    this.#parts = parts;
    this.#update = name === "step_update" ? stepStatus : workflow;
  }

  /** The length of the text without the time of the event, which is last. 0 until it is written. */
  get bytesBeforeTime(): number {
    return this.#bytesBeforeTime;
  }

  write(reader: WireReader, _end: number, out: JsonWriter): void {
    const scope = this.#writeStart(reader, out);
    this.#update.write(reader, this.#parts.update[1], out, scope);
    this.#writeTime(reader, out, scope);
  }

  *writeInSlices(reader: WireReader, _end: number, out: JsonWriter): Generator<void, void> {
    const scope = this.#writeStart(reader, out);
    yield* this.#update.writeInSlices(reader, this.#parts.update[1], out, scope);
    this.#writeTime(reader, out, scope);
  }

  #writeStart(reader: WireReader, out: JsonWriter): WorkflowScope {
    const { workflowId, update } = this.#parts;
    out.writeBytes(labels.workflow_id);
    out.writeUtf8(reader.source, ...workflowId);
    out.writeBytes(labels[this.name]);
    reader.pos = update[0];
    return new WorkflowScope(() => Buffer.from(reader.source.subarray(...workflowId)).toString());
  }

  #writeTime(reader: WireReader, out: JsonWriter, scope: WorkflowScope): void {
    const { at: timeAt } = this.#parts;
    this.#bytesBeforeTime = out.length;
    reader.pos = timeAt[0];
    const time = readTime(reader, timeAt[1]);
    if (time === undefined) out.noteCorrection(at.name, scope);
    else {
      out.writeBytes(labels.at);
      writeTime(time, out);
    }
    out.writeAscii("}");
  }
}

/** The start and the end of a field's value. Those of an absent field are 0. */
type Range = readonly [start: number, end: number];

const absent: Range = [0, 0];

interface EventParts {
  eventId: bigint;
  name: EventJson["name"] | undefined;
  workflowId: Range;
  update: Range;
  at: Range;
}

function readParts(bytes: Uint8Array): EventParts {
  const reader = new WireReader(bytes);
  const parts: EventParts = { eventId: 0n, name: undefined, workflowId: absent, update: absent, at: absent };
  while (reader.pos < reader.len) {
    const tag = reader.varint();
    switch (tag) {
      case tagOf(eventId.number, WireType.Varint):
        parts.eventId = BigInt(reader.uint64());
        break;
      case tagOf(workflowId.number, WireType.LengthDelimited):
        parts.workflowId = skipRange(reader);
        break;
      // The last member of a oneof wins, as in every protobuf decoder.
      case tagOf(stepUpdate.number, WireType.LengthDelimited):
        parts.name = "step_update";
        parts.update = skipRange(reader);
        break;
      case tagOf(workflowUpdate.number, WireType.LengthDelimited):
        parts.name = "workflow_update";
        parts.update = skipRange(reader);
        break;
      case tagOf(at.number, WireType.LengthDelimited):
        parts.at = skipRange(reader);
        break;
      default:
        reader.skipValue(tag, reader.len);
    }
  }
  return parts;
}

/** Skips a length-delimited value, and returns where it is. */
function skipRange(reader: WireReader): Range {
  const end = reader.nestedEnd(reader.len);
  const start = reader.pos;
  reader.pos = end;
  return [start, end];
}
