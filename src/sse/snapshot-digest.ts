import { hash } from "node:crypto";
import type { Workflow } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { workflowToJson } from "../mapping/workflow.ts";

/**
 * The same for two snapshots that read the same to a client, in whatever order their maps came; of one length,
 * however large the workflow is.
 */
export function snapshotDigest(workflow: Workflow): string {
  return hash("sha256", JSON.stringify(workflowToJson(workflow), inOrder), "base64");
}

/** For `JSON.stringify`: objects with their keys in order. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
