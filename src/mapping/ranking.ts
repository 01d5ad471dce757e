import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  RankDesignsResponseSchema,
  RankedDesignSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { RankDesignsRequestSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { messageJson } from "./message-json.ts";

/** The message that asks for a ranking of `workflowId`. */
export function rankRequestFromJson(
  workflowId: string,
  { metric, maximize, filters = [], top_k }: Schema["RankRequest"],
): MessageInitShape<typeof RankDesignsRequestSchema> {
  return {
    workflowId,
    metric,
    ...(maximize === undefined ? {} : { maximize }),
    filters,
    topK: top_k ?? 0,
  };
}

const rankedDesign = messageJson(RankedDesignSchema, [
  "rank",
  "score",
  "id",
  "kind",
  "source_step",
  "metrics",
]);

/** The designs of a workflow, best first. */
export const rankingJson = messageJson(
  RankDesignsResponseSchema,
  ["designs", "total_considered", "total_ranked"],
  { designs: { message: rankedDesign } },
);
