import { WireType } from "@bufbuild/protobuf/wire";
import {
  StepStatusSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createArtifactTranscoder } from "./artifact.ts";
import type { JsonWriter } from "./json-writer.ts";
import { maxItems } from "./message-transcoder.ts";
import { StepScope, WorkflowScope } from "./scope.ts";
import type { Transcoder } from "./transcoder.ts";
import { tagOf, textOf } from "./wire-reader.ts";
import type { WireReader } from "./wire-reader.ts";

const workflowId = WorkflowSchema.field.id.number;
const stepId = StepStatusSchema.field.stepId.number;
const stepStatuses = tagOf(WorkflowSchema.field.stepStatuses.number, WireType.LengthDelimited);
const outputs = tagOf(StepStatusSchema.field.outputs.number, WireType.LengthDelimited);

/**
 * Creates a function that returns a transcoder of a Workflow. It writes the artifacts of all steps, or of the step
 * `selected`, as an ArtifactList.
 */
export function createArtifactList(bucket: string): (selected?: string) => Transcoder {
  const artifact = createArtifactTranscoder(bucket, { hasStepId: true });

  return function artifactList(selected) {
    function* writeInSlices(reader: WireReader, end: number, out: JsonWriter): Generator<void, void> {
      let before = '{"artifacts":[';
      let count = 0;
      for (const { scope, limit } of outputsIn(reader, end, selected)) {
        // An artifact may take 2 bytes in the message, and repeats the id of its step in JSON.
        if ((count += 1) > maxItems) throw new RangeError(`more than ${maxItems} artifacts`);
        out.writeAscii(before);
        before = ",";
        yield* artifact.writeInSlices(reader, reader.nestedEnd(limit), out, scope);
        yield;
      }
      out.writeAscii(before === "," ? "]}" : `${before}]}`);
    }
    return {
      write(reader, end, out) {
        const slices = writeInSlices(reader, end, out);
        while (slices.next().done !== true);
      },
      writeInSlices,
    };
  };
}

interface Output {
  readonly scope: StepScope;
  /** The end of the step status. */
  readonly limit: number;
}

/** Moves the reader to each output of the Workflow that ends at `end`, in turn. */
function* outputsIn(reader: WireReader, end: number, selected: string | undefined): Generator<Output, void> {
  const workflow = reader.source.subarray(reader.pos, end);
  const workflowScope = new WorkflowScope(() => textOf(workflow, workflowId));
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag !== stepStatuses) {
      reader.skipValue(tag, end);
      continue;
    }
    const limit = reader.nestedEnd(end);
    const status = reader.source.subarray(reader.pos, limit);
    const scope = new StepScope(workflowScope, () => textOf(status, stepId));
    if (selected === undefined || scope.stepId === selected) yield* outputsOf(reader, limit, scope);
    reader.pos = limit;
  }
}

function* outputsOf(reader: WireReader, limit: number, scope: StepScope): Generator<Output, void> {
  while (reader.pos < limit) {
    const tag = reader.varint();
    if (tag === outputs) yield { scope, limit };
    else reader.skipValue(tag, limit);
  }
}
