import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  RankDesignsResponseSchema,
  type RankDesignsRequest,
  type RankDesignsResponse,
  type RankFilter,
  type StepStatus,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

interface Design {
  readonly id: string;
  readonly kind: "artifact" | "sequence";
  readonly sourceStep: string;
  readonly metrics: Record<string, number>;
}

/** The metrics whose lower values are better: errors such as `mean_pae` and `ca_rmsd`, scores, and one size. */
const minimised = /(?:^|_)(?:pae|rmsd|global_score)$|^radius_of_gyration$/;

function designsFromStatus({ stepId, outputs, sequences }: StepStatus): Design[] {
  return [
    ...outputs.map(({ sha256, uri, metrics }): Design => ({
      id: sha256 || uri,
      kind: "artifact",
      sourceStep: stepId,
      metrics,
    })),
    ...sequences.map(({ sampleIndex, globalScore, seqRecovery }): Design => ({
      id: `seq:${sampleIndex}`,
      kind: "sequence",
      sourceStep: stepId,
      metrics: { global_score: globalScore, seq_recovery: seqRecovery },
    })),
  ];
}

function scoreOf({ metrics }: Design, metric: string): number | undefined {
  return Object.hasOwn(metrics, metric) ? metrics[metric] : undefined;
}

function passes(design: Design, { metric, min, max }: RankFilter): boolean {
  const value = scoreOf(design, metric);
  return value !== undefined && (min === undefined || value >= min) && (max === undefined || value <= max);
}

function checkRequest({ metric, filters }: RankDesignsRequest): void {
  const violations = [
    ...(metric === "" ? ["metric: must not be empty"] : []),
    ...filters.flatMap((filter, i) => [
      ...(filter.metric === "" ? [`filters[${i}].metric: must not be empty`] : []),
      ...((filter.min ?? -Infinity) > (filter.max ?? Infinity) ? [`filters[${i}]: min is above max`] : []),
    ]),
  ];
  if (violations.length > 0) throw new ConnectError(violations.join("; "), Code.InvalidArgument);
}

/** Ranks all artifacts and sequences of a workflow, ties in the order they were made. Throws INVALID_ARGUMENT. */
export function rankDesigns(
  statuses: readonly StepStatus[],
  request: RankDesignsRequest,
): RankDesignsResponse {
  checkRequest(request);
  const { metric, filters, topK } = request;
  const sign = (request.maximize ?? !minimised.test(metric)) ? -1 : 1;
  const all = statuses.flatMap(designsFromStatus);
  const ranked = all
    .flatMap((design) => {
      const score = scoreOf(design, metric);
      return score !== undefined && filters.every((filter) => passes(design, filter))
        ? [{ ...design, score }]
        : [];
    })
    .sort((a, b) => sign * (a.score - b.score));
  const designs = ranked.slice(0, topK || undefined).map((design, i) => ({ ...design, rank: i + 1 }));
  return create(RankDesignsResponseSchema, {
    designs,
    totalConsidered: all.length,
    totalRanked: designs.length,
  });
}
