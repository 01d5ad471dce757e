import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  ListWorkflowsResponseSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { ListWorkflowsRequest } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { suite } from "../support/gateway.ts";
import { startStack } from "../support/stack.ts";

/** A workflow of about that many bytes. */
function workflowOf(id: string, bytes: number) {
  const params = { pdb: "A".repeat(bytes) };
  return create(WorkflowSchema, {
    id,
    spec: { name: id, steps: [{ id: "a", tool: "af2", params }] },
    state: JobState.SUCCEEDED,
  });
}

/** Lists workflows of these sizes, a page at a time; a token is the index that a page starts at. */
function listOf(sizes: readonly number[], pageSizes: number[] = []) {
  return ({ pageSize, pageToken }: ListWorkflowsRequest) => {
    pageSizes.push(pageSize);
    const start = Number(pageToken || 0);
    const end = Math.min(start + pageSize, sizes.length);
    return create(ListWorkflowsResponseSchema, {
      workflows: sizes.slice(start, end).map((bytes, index) => workflowOf(`w${start + index}`, bytes)),
      nextPageToken: end === sizes.length ? "" : String(end),
    });
  };
}

interface Page {
  readonly workflows: readonly { readonly id: string }[];
  readonly next_page_token: string;
}

describe("GET /v1/workflows: pages of large workflows", () => {
  const stack = suite(() => startStack({}, { MAX_BUFFERED_BYTES: String(8 * 1024 * 1024) }));

  /** The ids of all pages, and how many there were on each. */
  async function readAll(pageSize: number) {
    const ids: string[] = [];
    const counts: number[] = [];
    for (let token = ""; ;) {
      const response = await stack().gateway.fetch(
        `/v1/workflows?page_size=${pageSize}${token === "" ? "" : `&page_token=${token}`}`,
      );
      assert.equal(response.status, 200);
      const page = (await response.json()) as Page;
      ids.push(...page.workflows.map(({ id }) => id));
      counts.push(page.workflows.length);
      token = page.next_page_token;
      if (token === "") return { ids, counts };
    }
  }

  it("hold as many workflows as fit, each of them once", async () => {
    const sizes = Array.from({ length: 40 }, () => 90_000);
    stack().upstream.rpcs.listWorkflows = listOf(sizes);
    const { ids, counts } = await readAll(100);
    assert.deepEqual(
      ids,
      sizes.map((_, index) => `w${index}`),
    );
    // An eighth of the memory is for a page.
    assert.ok(
      counts.every((count) => count <= 11 && count >= 1),
      counts.join(),
    );
    assert.ok(counts[0]! > 5, counts.join());
  });

  it("have the requested length if that fits, in one call", async () => {
    const pageSizes: number[] = [];
    stack().upstream.rpcs.listWorkflows = listOf([10, 20, 30], pageSizes);
    assert.deepEqual((await readAll(2)).counts, [2, 1]);
    assert.deepEqual(pageSizes, [2, 2]);
  });

  it("may hold one workflow that is larger than a page", async () => {
    stack().upstream.rpcs.listWorkflows = listOf([10, 3_000_000, 10]);
    assert.deepEqual((await readAll(100)).counts, [1, 1, 1]);
  });

  it("are requested again a few times at most", async () => {
    const pageSizes: number[] = [];
    const sizes = Array.from({ length: 100 }, (_, index) => 2 ** Math.min(20, index));
    stack().upstream.rpcs.listWorkflows = listOf(sizes, pageSizes);
    const first = await stack().gateway.fetch("/v1/workflows?page_size=100");
    assert.ok(((await first.json()) as Page).workflows.length > 0);
    assert.ok(pageSizes.length <= 6, pageSizes.join());
  });

  it("respond with 400 for a workflow above the message limit, without a logged failure", async () => {
    stack().upstream.rpcs.listWorkflows = listOf([5_000_000]);
    const response = await stack().gateway.fetch("/v1/workflows");
    const { code, message, retryable } = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([response.status, code, retryable], [400, "OUT_OF_RANGE", false]);
    assert.match(String(message), /larger than the limit of 4194304 bytes/);
  });

  it("fail when the orchestrator fails", async () => {
    stack().upstream.rpcs.listWorkflows = () => {
      throw new ConnectError("quota of reads", Code.ResourceExhausted);
    };
    assert.equal((await stack().gateway.fetch("/v1/workflows?page_size=50")).status, 429);
  });
});
