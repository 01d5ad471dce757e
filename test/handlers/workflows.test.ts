import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type {
  ListWorkflowsRequest,
  SubmitWorkflowRequest,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import {
  ListWorkflowsRequestSchema,
  ListWorkflowsResponseSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { suite } from "../support/gateway.ts";
import { jsonPost, oneStep, runningJson, threeSteps, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const running = workflowIn(JobState.RUNNING);

describe("workflows", () => {
  const stack = suite(() => startStack());

  describe("POST /v1/workflows", () => {
    async function submit(body: unknown, headers: Record<string, string> = {}) {
      const received: SubmitWorkflowRequest[] = [];
      stack().upstream.rpcs.submitWorkflow = (request) => {
        received.push(request);
        return running;
      };
      const response = await stack().gateway.fetch("/v1/workflows", jsonPost(body, headers));
      return { response, request: received[0]! };
    }

    it("responds with 201 with the workflow, its path and the common headers", async () => {
      const { response } = await submit(oneStep);
      assert.equal(response.status, 201);
      assert.deepEqual(await response.json(), runningJson);
      assert.equal(response.headers.get("location"), "/v1/workflows/w1");
      assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
      assert.equal(response.headers.get("x-content-type-options"), "nosniff");
      assert.equal(response.headers.get("x-powered-by"), null);
      assert.equal(response.headers.get("x-ratelimit-limit"), null);
    });

    it("sends the whole spec, with params unchanged", async () => {
      const params = { contigs: "100-100", not_known_here: { deep: [1, 2.5, null, true, "x"] } };
      const resources = {
        gpu_type: "a100",
        gpu_count: 1,
        cpu_cores: 2,
        memory_mb: 3,
        timeout_seconds: 4294967295,
      };
      const { request } = await submit({
        name: "näme",
        labels: { team: "alpha", "": undefined },
        steps: [
          { id: "a", tool: "rfdiffusion", params, resources },
          { id: "b", tool: "af2", depends_on: ["a"] },
        ],
      });
      assert.equal(request.spec?.name, "näme");
      assert.deepEqual(request.spec.labels, { team: "alpha" });
      const [a, b] = request.spec.steps;
      assert.ok(a?.resources);
      assert.deepEqual(a.params, params);
      assert.equal(a.resources.gpuType, "a100");
      assert.equal(a.resources.timeoutSeconds, 4294967295);
      assert.deepEqual([b?.id, b?.tool, b?.dependsOn, b?.params], ["b", "af2", ["a"], undefined]);
    });

    it("sends the Idempotency-Key, empty without one", async () => {
      assert.equal(
        (await submit(oneStep, { "Idempotency-Key": "run 42~" })).request.idempotencyKey,
        "run 42~",
      );
      assert.equal((await submit(oneStep)).request.idempotencyKey, "");
      assert.equal(
        (await submit(oneStep, { "Idempotency-Key": "k".repeat(255) })).request.idempotencyKey.length,
        255,
      );
    });

    for (const [what, key] of [
      ["empty", ""],
      ["too long", "k".repeat(256)],
      ["not ASCII", "ké"],
      ["a control character", "a\tb"],
    ] as const) {
      it(`rejects an Idempotency-Key that is ${what}`, async () => {
        const { response } = await submit(oneStep, { "Idempotency-Key": key });
        const { details } = (await response.json()) as { details: { path: string }[] };
        assert.equal(response.status, 400);
        assert.deepEqual([...new Set(details.map(({ path }) => path))], ["/headers/idempotency-key"]);
      });
    }

    it("logs the submission with the workflow's id and the trace id", async () => {
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
      await submit(threeSteps, { traceparent });
      const line = stack().gateway.logs.findLast(({ event }) => event === "workflow.submit");
      assert.equal(line?.["workflow_id"], "w1");
      assert.equal(line.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    });
  });

  describe("GET /v1/workflows", () => {
    async function list(query: string) {
      let received: ListWorkflowsRequest | undefined;
      stack().upstream.rpcs.listWorkflows = (request) => {
        received = request;
        return create(ListWorkflowsResponseSchema, { workflows: [running], nextPageToken: "next" });
      };
      const response = await stack().gateway.fetch(`/v1/workflows${query}`);
      return { response, request: received };
    }

    it("responds with one page", async () => {
      const { response } = await list("");
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), { workflows: [runningJson], next_page_token: "next" });
    });

    const requests = [
      ["", { pageSize: 20 }],
      ["?page_size=1", { pageSize: 1 }],
      ["?page_size=100", { pageSize: 100 }],
      ["?page_token=a%2Bb/c==", { pageSize: 20, pageToken: "a+b/c==" }],
      ["?state=QUEUED", { pageSize: 20, stateFilter: JobState.QUEUED }],
      ["?state=RUNNING", { pageSize: 20, stateFilter: JobState.RUNNING }],
      ["?state=SUCCEEDED", { pageSize: 20, stateFilter: JobState.SUCCEEDED }],
      ["?state=FAILED", { pageSize: 20, stateFilter: JobState.FAILED }],
      ["?state=CANCELLED", { pageSize: 20, stateFilter: JobState.CANCELLED }],
      ["?label=team=alpha", { pageSize: 20, labelSelector: { team: "alpha" } }],
      ["?label=a=b=c&label=d=", { pageSize: 20, labelSelector: { a: "b=c", d: "" } }],
      ["?label=two+words%3Dand%20more", { pageSize: 20, labelSelector: { "two words": "and more" } }],
    ] as const;
    for (const [query, expected] of requests) {
      it(`requests the page of ${JSON.stringify(query)}`, async () => {
        const { response, request } = await list(query);
        assert.equal(response.status, 200);
        assert.deepEqual(request, create(ListWorkflowsRequestSchema, expected));
      });
    }
  });

  const byId = [
    { rpc: "getWorkflow", method: "GET", path: "/v1/workflows/w1" },
    { rpc: "cancelWorkflow", method: "DELETE", path: "/v1/workflows/w1" },
    { rpc: "retryWorkflow", method: "POST", path: "/v1/workflows/w1/retry" },
  ] as const;
  for (const { rpc, method, path } of byId) {
    describe(`${method} ${path.replace("w1", "{id}")}`, () => {
      it("responds with 200 with the workflow", async () => {
        let requestedId = "";
        stack().upstream.rpcs[rpc] = ({ workflowId }: { workflowId: string }) => {
          requestedId = workflowId;
          return running;
        };
        const calls = await callsDuring(stack().upstream, async () => {
          const response = await stack().gateway.fetch(path, { method });
          assert.equal(response.status, 200);
          assert.deepEqual(await response.json(), runningJson);
        });
        assert.equal(requestedId, "w1");
        assert.equal(calls.length, 1);
      });
    });
  }

  describe("HEAD /v1/workflows/{id}", () => {
    it("responds as to GET, without the body", async () => {
      stack().upstream.rpcs.getWorkflow = () => running;
      const got = await stack().gateway.fetch("/v1/workflows/w1");
      const head = await stack().gateway.fetch("/v1/workflows/w1", { method: "HEAD" });
      assert.equal(head.status, 200);
      assert.equal(head.headers.get("content-length"), got.headers.get("content-length"));
      assert.equal(await head.text(), "");
    });
  });
});
