import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { WorkflowSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { suite } from "../support/gateway.ts";
import { runWorkflow } from "../support/running-workflow.ts";
import { createdAt } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1";

const workflow = create(WorkflowSchema, {
  id: "w1",
  spec: {
    name: "one",
    steps: [{ id: "fold", tool: "af2", params: { sequence: "MKV" }, resources: { gpuCount: 2 } }],
    labels: { team: "alpha" },
  },
  state: JobState.FAILED,
  stepStatuses: [
    {
      stepId: "fold",
      state: JobState.FAILED,
      fraction: 0.5,
      outputs: [{ uri: "r2://foldforge/a.pdb" }],
      sequences: [{ fasta: ">a" }],
      error: { code: "GPU_LOST", message: "lost" },
      startedAt: createdAt,
    },
  ],
  createdAt,
  updatedAt: createdAt,
});

const time = "2026-01-05T09:00:00.000Z";

/** The workflow in the basic view. */
const basic = {
  view: "basic",
  id: "w1",
  name: "one",
  state: "FAILED",
  steps: [
    {
      id: "fold",
      tool: "af2",
      depends_on: [],
      resources: { gpu_type: "", gpu_count: 2, cpu_cores: 0, memory_mb: 0, timeout_seconds: 0 },
    },
  ],
  labels: { team: "alpha" },
  step_statuses: [
    {
      step_id: "fold",
      state: "FAILED",
      fraction: 0.5,
      outputs: [],
      sequences: [],
      error: { code: "GPU_LOST", message: "lost", retryable: false },
      started_at: time,
    },
  ],
  created_at: time,
  updated_at: time,
};

describe("view", () => {
  const stack = suite(() => startStack());
  beforeEach("one workflow", () => {
    const { rpcs } = stack().upstream;
    rpcs.getWorkflow = () => workflow;
    rpcs.cancelWorkflow = () => workflow;
    rpcs.listWorkflows = () => ({ workflows: [workflow], nextPageToken: "t" });
  });
  const get = (target: string, headers: Record<string, string> = {}, method = "GET") =>
    stack().gateway.fetch(target, { method, headers });
  const bodyOf = async (target: string): Promise<unknown> => (await get(target)).json();

  it("basic leaves out params, outputs and sequences of a workflow, and says so", async () => {
    assert.deepEqual(await bodyOf(`${path}?view=basic`), basic);
  });

  it("basic leaves them out of each workflow of a page", async () => {
    assert.deepEqual(await bodyOf("/v1/workflows?view=basic&page_size=5"), {
      workflows: [basic],
      next_page_token: "t",
    });
  });

  it("full is the default, and names no view", async () => {
    for (const target of [path, "/v1/workflows"]) {
      const text = JSON.stringify(await bodyOf(target));
      assert.equal(JSON.stringify(await bodyOf(`${target}?view=full`)), text);
      for (const part of ['"params":{"sequence":"MKV"}', '"fold-0.pdb"', '"fasta":">a"'])
        assert.ok(text.includes(part), part);
      assert.doesNotMatch(text, /"view"/);
    }
  });

  for (const [query, message] of [
    ["view=all", "must be one of basic, full"],
    ["view=BASIC", "must be one of basic, full; did you mean basic?"],
    ["view=", "must not be empty"],
    ["view=basic&view=full", "must be given once"],
  ] as const)
    it(`is 400 for ${query}`, async () => {
      for (const target of [path, "/v1/workflows"]) {
        const response = await get(`${target}?${query}`);
        const { details } = (await response.json()) as { details: unknown };
        assert.equal(response.status, 400);
        assert.deepEqual(details, [{ path: "/query/view", message }]);
      }
    });

  it("has ETags of its own, which no change accepts", async () => {
    const tagOf = async (query: string) => (await get(`${path}${query}`)).headers.get("etag")!;
    const [full, ofBasic] = [await tagOf(""), await tagOf("?view=basic")];
    assert.notEqual(full, ofBasic);
    for (const [query, tag, status] of [
      ["?view=basic", ofBasic, 304],
      ["?view=basic", full, 200],
      ["", ofBasic, 200],
    ] as const)
      assert.equal((await get(`${path}${query}`, { "If-None-Match": tag })).status, status);
    assert.equal((await get(path, { "If-Match": ofBasic }, "DELETE")).status, 412);
    assert.equal((await get(path, { "If-Match": full }, "DELETE")).status, 200);
  });

  it("keeps the ETag of the basic view while only outputs change", async () => {
    const tag = (await get(`${path}?view=basic`)).headers.get("etag")!;
    const [status] = workflow.stepStatuses;
    stack().upstream.rpcs.getWorkflow = () => ({ ...workflow, stepStatuses: [{ ...status!, outputs: [] }] });
    assert.equal((await get(`${path}?view=basic`, { "If-None-Match": tag })).status, 304);
  });

  it("applies to a read that waits", async () => {
    const { followed, end } = runWorkflow(stack().upstream, { last: JobState.SUCCEEDED });
    const response = get(`${path}?view=basic`, { Prefer: "wait=30" });
    await followed;
    end();
    const { headers } = await response;
    assert.equal(headers.get("preference-applied"), "wait=30");
    const { view, state } = (await (await response).json()) as Record<string, unknown>;
    assert.deepEqual([view, state], ["basic", "SUCCEEDED"]);
  });
});
