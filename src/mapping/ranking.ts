import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  RankDesignsRequestSchema,
  RankDesignsResponse,
  RankedDesign,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { doublesToJson } from "./numbers.ts";

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

/** The designs of a workflow, best first. */
export function rankingToJson(ranking: RankDesignsResponse): Schema["Ranking"] {
  return {
    designs: ranking.designs.map(rankedDesignToJson),
    total_considered: ranking.totalConsidered,
    total_ranked: ranking.totalRanked,
  };
}

function rankedDesignToJson(design: RankedDesign): Schema["RankedDesign"] {
  const { rank, score, id, kind, sourceStep, metrics } = design;
  return {
    rank,
    ...doublesToJson({ score }),
    id,
    kind,
    source_step: sourceStep,
    metrics: doublesToJson(metrics),
  };
}
