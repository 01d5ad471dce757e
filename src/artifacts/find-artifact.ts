import { fromBinary } from "@bufbuild/protobuf";
import { ArtifactSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Artifact } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StepStatusSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { fieldValues } from "../mapping/wire-reader.ts";

/** Numbers of the fields that lead to the uri of an output. */
const stepStatuses = WorkflowSchema.field.stepStatuses.number;
const outputs = StepStatusSchema.field.outputs.number;
const uri = ArtifactSchema.field.uri.number;

/**
 * The output of the Workflow in `workflow` that is stored under exactly this key of this bucket; undefined when there is
 * none. This match is what grants access, so it compares whole uris and never parses one. Only the output that is found
 * is decoded: a workflow may have hundreds of thousands, and as many values in its parameters.
 */
export function findArtifact(workflow: Uint8Array, bucket: string, key: string): Artifact | undefined {
  const wanted = Buffer.from(`r2://${bucket}/${key}`);
  for (const status of fieldValues(workflow, stepStatuses)) {
    for (const output of fieldValues(status, outputs)) {
      // Of a field that is there twice, the last value counts.
      const last = [...fieldValues(output, uri)].at(-1);
      if (last !== undefined && wanted.equals(last)) return fromBinary(ArtifactSchema, output);
    }
  }
  return undefined;
}
