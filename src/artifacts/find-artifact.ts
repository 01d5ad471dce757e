import { fromBinary } from "@bufbuild/protobuf";
import { ArtifactSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Artifact } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StepStatusSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { artifactName } from "../mapping/artifact-name.ts";
import { fieldValues, lastValue, textOf } from "../mapping/wire-reader.ts";

/** An output of a workflow, and its file name. */
export interface FoundArtifact {
  readonly artifact: Artifact;
  readonly name: string;
}

/** Field numbers on the way to the uri of an output. */
const stepStatuses = WorkflowSchema.field.stepStatuses.number;
const stepId = StepStatusSchema.field.stepId.number;
const outputs = StepStatusSchema.field.outputs.number;
const uri = ArtifactSchema.field.uri.number;

/**
 * The first output of an encoded Workflow with exactly the uri `r2://bucket/key`; undefined when there is none. This match
 * grants access, so it compares whole uris and parses none. Only the matching output is decoded: a workflow may have
 * hundreds of thousands of them, and as many values in its params.
 */
export function findArtifact(workflow: Uint8Array, bucket: string, key: string): FoundArtifact | undefined {
  const wanted = Buffer.from(`r2://${bucket}/${key}`);
  for (const status of fieldValues(workflow, stepStatuses)) {
    let index = 0;
    for (const output of fieldValues(status, outputs)) {
      const last = lastValue(output, uri);
      if (last !== undefined && wanted.equals(last)) {
        const artifact = fromBinary(ArtifactSchema, output);
        return { artifact, name: artifactName(textOf(status, stepId), index, last, artifact.contentType) };
      }
      index += 1;
    }
  }
  return undefined;
}
