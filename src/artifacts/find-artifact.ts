import { fromBinary } from "@bufbuild/protobuf";
import { ArtifactSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Artifact } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StepStatusSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { fieldValues } from "../mapping/wire-reader.ts";

/** Field numbers on the way to the uri of an output. */
const stepStatuses = WorkflowSchema.field.stepStatuses.number;
const outputs = StepStatusSchema.field.outputs.number;
const uri = ArtifactSchema.field.uri.number;

/**
 * The output of an encoded Workflow with exactly the uri `r2://bucket/key`; undefined when there is none. This match
 * grants access, so it compares whole uris and parses none. Only the matching output is decoded: a workflow may have
 * hundreds of thousands of them, and as many values in its params.
 */
export function findArtifact(workflow: Uint8Array, bucket: string, key: string): Artifact | undefined {
  const wanted = Buffer.from(`r2://${bucket}/${key}`);
  for (const status of fieldValues(workflow, stepStatuses)) {
    for (const output of fieldValues(status, outputs)) {
      // Of a singular field that occurs more than once, the last value counts (protobuf encoding).
      const last = [...fieldValues(output, uri)].at(-1);
      if (last !== undefined && wanted.equals(last)) return fromBinary(ArtifactSchema, output);
    }
  }
  return undefined;
}
