import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  RankDesignsResponseSchema,
  RankedDesignSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { RankDesignsRequestSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { createMessageTranscoder } from "./message-transcoder.ts";

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

const rankedDesign = createMessageTranscoder(RankedDesignSchema, [
  "rank",
  "score",
  "id",
  "kind",
  "source_step",
  "metrics",
]);

export const rankingTranscoder = createMessageTranscoder(
  RankDesignsResponseSchema,
  ["designs", "total_considered", "total_ranked"],
  { designs: { message: rankedDesign } },
);
