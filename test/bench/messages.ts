import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  ListWorkflowsResponseSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { threeSteps } from "../support/samples.ts";

const startedAt = timestampFromDate(new Date("2026-01-05T09:00:00Z"));

/** The typical submission while its first step runs. */
export const workflow = create(WorkflowSchema, {
  id: "9b2f6c1e-6d0c-4c39-9a45-0d1f5f3c7a11",
  spec: {
    ...threeSteps,
    steps: threeSteps.steps.map(({ depends_on, ...step }) => ({ ...step, dependsOn: depends_on ?? [] })),
  },
  state: JobState.RUNNING,
  stepStatuses: [
    { stepId: "design", state: JobState.RUNNING, fraction: 0.25, startedAt },
    { stepId: "seqs", state: JobState.QUEUED },
    { stepId: "fold", state: JobState.QUEUED },
  ],
  createdAt: startedAt,
  updatedAt: startedAt,
});

/** A page of 20 such workflows. */
export const page = create(ListWorkflowsResponseSchema, {
  workflows: Array.from({ length: 20 }, (_, index) => ({ ...workflow, id: `${workflow.id}-${index}` })),
  nextPageToken: "20",
});
