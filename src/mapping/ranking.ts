import type { MessageInitShape } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import {
  RankDesignsResponseSchema,
  RankedDesignSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { RankDesignsRequestSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { createMessageTranscoder } from "./message-transcoder.ts";
import { tagOf, WireReader } from "./wire-reader.ts";

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

const { totalConsidered, totalRanked } = RankDesignsResponseSchema.field;

/** Whether the ranking in `bytes` has none of the designs that the workflow has. */
export function ranksNone(bytes: Uint8Array): boolean {
  const reader = new WireReader(bytes);
  let considered = 0;
  let ranked = 0;
  while (reader.pos < reader.len) {
    const tag = reader.varint();
    if (tag === tagOf(totalConsidered.number, WireType.Varint)) considered = reader.uint32();
    else if (tag === tagOf(totalRanked.number, WireType.Varint)) ranked = reader.uint32();
    else reader.skipValue(tag, reader.len);
  }
  return considered > 0 && ranked === 0;
}
