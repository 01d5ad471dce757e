import type { MessageInitShape } from "@bufbuild/protobuf";
import type { operations } from "../../generated/openapi/gateway.v1.ts";
import type { ListWorkflowsRequestSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { jobStateFromJson } from "./job-state.ts";

type ListQuery = NonNullable<operations["listWorkflows"]["parameters"]["query"]>;

/** The contract's default. */
const defaultPageSize = 20;

export function listRequestFromQuery({ page_size, page_token, state, label }: ListQuery) {
  return {
    pageSize: page_size ?? defaultPageSize,
    pageToken: page_token ?? "",
    labelSelector: labelSelectorFromQuery(label ?? []),
    ...(state === undefined ? {} : { stateFilter: jobStateFromJson(state) }),
  } satisfies MessageInitShape<typeof ListWorkflowsRequestSchema>;
}

/** The pairs of repeated `key=value` parameters, each split at its first `=`. */
function labelSelectorFromQuery(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const at = label.indexOf("=");
      return [label.slice(0, at), label.slice(at + 1)];
    }),
  );
}
