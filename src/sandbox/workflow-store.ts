import { create, equals } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  ListWorkflowsResponseSchema,
  WorkflowSpecSchema,
  type ListWorkflowsRequest,
  type ListWorkflowsResponse,
  type WorkflowSpec,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createWorkflowRecord, type WorkflowRecord } from "./workflow-record.ts";

/** The principal of the caller, which sees its own workflows only; undefined sees all. */
export type Scope = string | undefined;

/** A valid spec, and who submits it. An empty idempotency key counts as none. */
export interface Submission {
  readonly spec: WorkflowSpec;
  readonly idempotencyKey: string;
  readonly scope: Scope;
}

/** All workflows, in the order of their submission. */
export interface WorkflowStore {
  /**
   * The workflow that the principal has submitted with this idempotency key before. Throws ALREADY_EXISTS if its spec
   * differs.
   */
  findEarlier(submission: Submission): WorkflowRecord | undefined;
  /** Stores a new workflow. */
  add(id: string, submission: Submission): WorkflowRecord;
  /** Throws NOT_FOUND for another principal's workflow exactly as for a missing one. */
  get(id: string, scope: Scope): WorkflowRecord;
  /** A page, newest first. Throws INVALID_ARGUMENT for a token that was not issued here. */
  list(request: ListWorkflowsRequest, scope: Scope): ListWorkflowsResponse;
}

const defaultPageSize = 20;
const maxPageSize = 100;

/** The token of the page after the workflow `id`. */
function pageTokenFrom(id: string): string {
  return Buffer.from(id).toString("base64url");
}

function matches(record: WorkflowRecord, request: ListWorkflowsRequest, scope: Scope): boolean {
  const { stateFilter = JobState.UNSPECIFIED, labelSelector } = request;
  const { labels } = record.spec;
  return (
    (scope === undefined || record.principal === scope) &&
    (stateFilter === JobState.UNSPECIFIED || record.workflow.state === stateFilter) &&
    Object.entries(labelSelector).every(([name, value]) => labels[name] === value)
  );
}

function keyOf({ idempotencyKey, scope }: Submission): string | undefined {
  return idempotencyKey === "" ? undefined : JSON.stringify([scope ?? null, idempotencyKey]);
}

export function createWorkflowStore(now: () => number): WorkflowStore {
  const records: WorkflowRecord[] = [];
  const indexById = new Map<string, number>();
  const recordByKey = new Map<string, WorkflowRecord>();

  /** The index below which a page starts. Records are never removed, so additions do not move it. */
  function startOfPage(token: string): number {
    if (token === "") return records.length;
    const id = Buffer.from(token, "base64url").toString();
    const index = indexById.get(id);
    // Decoding ignores characters outside of base64url, which only the canonical spelling lacks.
    if (index === undefined || pageTokenFrom(id) !== token)
      throw new ConnectError("page_token is not a token of this service", Code.InvalidArgument);
    return index;
  }

  return {
    findEarlier(submission) {
      const key = keyOf(submission);
      const earlier = key === undefined ? undefined : recordByKey.get(key);
      if (earlier !== undefined && !equals(WorkflowSpecSchema, earlier.spec, submission.spec))
        throw new ConnectError("the idempotency key was used for another workflow", Code.AlreadyExists);
      return earlier;
    },
    add(id, submission) {
      const { spec, scope } = submission;
      const record = createWorkflowRecord({ id, principal: scope, spec, now });
      indexById.set(id, records.length);
      records.push(record);
      const key = keyOf(submission);
      if (key !== undefined) recordByKey.set(key, record);
      return record;
    },
    get(id, scope) {
      const record = records[indexById.get(id) ?? -1];
      if (record === undefined || (scope !== undefined && record.principal !== scope))
        throw new ConnectError(`workflow ${id} not found`, Code.NotFound);
      return record;
    },
    list(request, scope) {
      const size = Math.min(request.pageSize || defaultPageSize, maxPageSize);
      const page: WorkflowRecord[] = [];
      let nextPageToken = "";
      for (let i = startOfPage(request.pageToken) - 1; i >= 0; i--) {
        const record = records[i];
        if (record === undefined || !matches(record, request, scope)) continue;
        const last = page.at(-1);
        // One more than fits proves that another page exists.
        if (last !== undefined && page.length === size) {
          nextPageToken = pageTokenFrom(last.workflow.id);
          break;
        }
        page.push(record);
      }
      return create(ListWorkflowsResponseSchema, {
        workflows: page.map(({ workflow }) => workflow),
        nextPageToken,
      });
    },
  };
}
