import assert from "node:assert/strict";
import { brotliDecompressSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { ListWorkflowsResponseSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { adminToken, startTestGateway, suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { jsonPost, runningJson, threeSteps, workflowIn } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { startStack } from "../support/stack.ts";

const acceptEncoding = { "Accept-Encoding": "gzip, deflate, br, zstd" };

describe("compression", () => {
  const stack = suite(() => startStack());
  const get = (path: string) =>
    sendPath(stack().gateway.url, path, {
      headers: { ...acceptEncoding, Authorization: `Bearer ${adminToken}` },
    });

  it("applies to a long list", async () => {
    const workflows = Array.from({ length: 20 }, () => workflowIn(JobState.RUNNING));
    stack().upstream.rpcs.listWorkflows = () => create(ListWorkflowsResponseSchema, { workflows });
    const { headers, bytes } = await get("/v1/workflows");
    assert.equal(headers["content-encoding"], "br");
    const { workflows: listed } = JSON.parse(brotliDecompressSync(bytes).toString()) as {
      workflows: unknown[];
    };
    assert.deepEqual(
      listed,
      workflows.map(() => runningJson),
    );
  });

  it("applies to a long error", async () => {
    const query = Array.from({ length: 40 }, (_, i) => `unknown${i}=1`).join("&");
    const { status, headers, bytes } = await get(`/v1/workflows?${query}`);
    assert.deepEqual([status, headers["content-encoding"]], [400, "br"]);
    const { details } = JSON.parse(brotliDecompressSync(bytes).toString()) as { details: unknown[] };
    assert.equal(details.length, 40);
  });

  it("does not apply to a short response", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    const { headers, body } = await get("/v1/workflows/w1");
    assert.equal(headers["content-encoding"], undefined);
    assert.deepEqual(JSON.parse(body), runningJson);
  });
});

describe("compression of events and artifacts", () => {
  const sandbox = suite(() => startSandbox(sandboxSettings));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));

  it("never applies", async () => {
    const submitted = await gateway().fetch("/v1/workflows", jsonPost(threeSteps));
    const path = submitted.headers.get("location") ?? "";
    const get = (rest: string) =>
      sendPath(gateway().url, `${path}${rest}`, {
        headers: { ...acceptEncoding, Authorization: `Bearer ${adminToken}` },
      });

    const events = await get("/events");
    assert.equal(events.headers["content-encoding"], undefined);
    assert.equal(events.headers["cache-control"], "no-store, no-transform");
    assert.match(events.body, /"state":"SUCCEEDED"/);

    const workflow = await get("");
    assert.equal(workflow.headers["content-encoding"], "br");
    const json = brotliDecompressSync(workflow.bytes).toString();
    const [, key = ""] = /"r2:\/\/foldforge\/([^"]+)"/.exec(json) ?? [];
    const file = await get(`/artifacts/${key}`);
    assert.equal(file.status, 200);
    assert.equal(file.headers["content-encoding"], undefined);
    assert.equal(file.headers["content-length"], String(file.bytes.length));
  });
});
