import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { create } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { WorkflowSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { suite } from "../support/gateway.ts";
import { createdAt } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1/artifacts";

const workflow = create(WorkflowSchema, {
  id: "w1",
  spec: { name: "two", steps: [{ id: "design" }, { id: "fold" }, { id: "a b=c&d" }] },
  state: JobState.RUNNING,
  stepStatuses: [
    { stepId: "design", outputs: [{ uri: "r2://foldforge/a b.pdb", sizeBytes: 7n, sha256: "ab" }] },
    { stepId: "a b=c&d", outputs: [{ uri: "r2://foldforge/artifacts" }] },
  ],
  updatedAt: createdAt,
});

describe("GET /v1/workflows/{id}/artifacts", () => {
  const stack = suite(() => startStack());
  beforeEach(() => (stack().upstream.rpcs.getWorkflow = () => workflow));
  const get = (query = "", init: RequestInit = {}) => stack().gateway.fetch(`${path}${query}`, init);

  it("lists the outputs of all steps with one read of the workflow", async () => {
    let body: unknown;
    const calls = await callsDuring(stack().upstream, async () => {
      const response = await get();
      assert.equal(response.status, 200);
      body = await response.json();
    });
    assert.deepEqual(
      calls.map(({ rpc }) => rpc),
      ["GetWorkflow"],
    );
    const rest = { content_type: "", metrics: {} };
    assert.deepEqual(body, {
      artifacts: [
        {
          step_id: "design",
          name: "design-0.pdb",
          href: "/v1/workflows/w1/artifacts/a%20b.pdb",
          uri: "r2://foldforge/a b.pdb",
          size_bytes: 7,
          sha256: "ab",
          ...rest,
        },
        {
          step_id: "a b=c&d",
          name: "a_b_c_d~31fdb586-0",
          href: "/v1/workflows/w1/artifacts/artifacts",
          uri: "r2://foldforge/artifacts",
          size_bytes: 0,
          sha256: "",
          ...rest,
        },
      ],
    });
  });

  for (const [query, steps] of [
    ["?step=design", ["design"]],
    ["?step=a+b%3Dc%26d", ["a b=c&d"]],
    ["?step=fold", []],
    ["?", ["design", "a b=c&d"]],
  ] as const)
    it(`lists those of ${steps.join(" and ") || "no step"} for ${query}`, async () => {
      const { artifacts } = (await (await get(query)).json()) as { artifacts: { step_id: string }[] };
      assert.deepEqual(
        artifacts.map(({ step_id }) => step_id),
        steps,
      );
    });

  for (const [query, violation] of [
    ["?step=flod", /^must be one of the steps of this workflow: design, fold, a b=c&d; did you mean fold\?$/],
    ["?step=", /^must not be empty$/],
    ["?step=a%00", /control characters/],
    ["?step=a&step=b", /given once/],
    ["?steps=a", /is not a parameter of this operation; did you mean step\?$/],
  ] as const)
    it(`returns 400 for ${query}`, async () => {
      const response = await get(query);
      const { code, details } = (await response.json()) as { code: string; details: { message: string }[] };
      assert.deepEqual([response.status, code], [400, "INVALID_ARGUMENT"]);
      assert.match(details[0]!.message, violation);
    });

  it("returns the orchestrator's 404, before it looks for the step", async () => {
    stack().upstream.rpcs.getWorkflow = () => {
      throw new ConnectError("workflow w1 not found", Code.NotFound);
    };
    for (const query of ["", "?step=none"]) {
      const response = await get(query);
      const { code, message } = (await response.json()) as Record<string, unknown>;
      assert.deepEqual([response.status, code, message], [404, "NOT_FOUND", "workflow w1 not found"]);
    }
  });

  it("has an ETag of its own for each step, and returns 304 for it", async () => {
    const tagOf = async (query: string) => (await get(query)).headers.get("etag") ?? "";
    const tags = [await tagOf(""), await tagOf("?step=design"), await tagOf("?step=fold")];
    assert.equal(new Set(tags).size, 3);
    for (const [index, query] of ["", "?step=design", "?step=fold"].entries()) {
      const headers = { "If-None-Match": tags[index]! };
      for (const method of ["GET", "HEAD"]) assert.equal((await get(query, { method, headers })).status, 304);
      assert.equal((await get("", { headers })).status, index === 0 ? 304 : 200);
    }
    assert.equal((await get("", { headers: { "If-Match": '"other"' } })).status, 412);
    const earlier = { "If-Unmodified-Since": "Mon, 05 Jan 2026 08:59:59 GMT" };
    assert.equal((await get("", { headers: earlier })).status, 412);
  });

  it("keeps the ETag when something else of the workflow changes", async () => {
    const tag = (await get()).headers.get("etag")!;
    stack().upstream.rpcs.getWorkflow = () => ({ ...workflow, state: JobState.SUCCEEDED });
    assert.equal((await get("", { headers: { "If-None-Match": tag } })).status, 304);
  });

  it("responds to HEAD without a body, and to other methods with 405", async () => {
    const head = await get("", { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
    const post = await get("", { method: "POST" });
    assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
  });

  it("is a route beside that of downloads, which takes keys of the same name", async () => {
    for (const [target, status] of [
      [path, 200],
      [`${path}/artifacts`, 503],
      [`${path}/artifacts/x`, 404],
      [`${path}/`, 404],
    ] as const)
      assert.equal((await stack().gateway.fetch(target)).status, status, target);
  });
});
