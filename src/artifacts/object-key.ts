import type { Artifact } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Workflow } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/**
 * The output of `workflow` that is stored under exactly this key of this bucket; undefined when there is
 * none. This match is what grants access, so it compares whole uris and never parses one.
 */
export function findOutput(workflow: Workflow, bucket: string, key: string): Artifact | undefined {
  const uri = `r2://${bucket}/${key}`;
  return workflow.stepStatuses.flatMap(({ outputs }) => outputs).find((output) => output.uri === uri);
}
