import assert from "node:assert/strict";
import { request } from "node:http";
import type { Schema } from "../../src/contract.ts";
import { connectTo } from "../support/orchestrator.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { jsonPost, oneStep, threeSteps } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { startStack } from "../support/stack.ts";

const token = "alice-key";

describe("POST /v1/workflows with an Idempotency-Key, over two gateways", () => {
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, stepSeconds: 3600 }));
  const first = suite(() => startTestGateway(settingsFor(sandbox())));
  const second = suite(() => startTestGateway(settingsFor(sandbox())));

  async function submit(gateway: TestGateway, key: string, spec: unknown = threeSteps) {
    const response = await gateway.fetch("/v1/workflows", {
      ...jsonPost(spec, { "Idempotency-Key": key }),
      token,
    });
    const body = (await response.json()) as Schema["Workflow"] & Schema["Error"];
    return { status: response.status, location: response.headers.get("location"), body };
  }

  /** The ids of all workflows of the spec's name. */
  async function listed(name: string) {
    const response = await second().fetch("/v1/workflows?page_size=100", { token });
    const { workflows } = (await response.json()) as { workflows: { id: string; name: string }[] };
    return workflows.filter((workflow) => workflow.name === name).map(({ id }) => id);
  }

  it("creates one workflow for 50 concurrent submissions and returns it to all of them", async () => {
    const spec = { ...threeSteps, name: "fifty" };
    const responses = await Promise.all(
      Array.from({ length: 50 }, (_, i) => submit(i % 2 === 0 ? first() : second(), "fifty", spec)),
    );
    const [id, ...others] = await listed("fifty");
    assert.deepEqual(others, []);
    // The progress of the run differs: the first response is sent before the run begins.
    const lasting = responses.map(({ status, location, body }) => {
      const { state, step_statuses, updated_at, ...rest } = body;
      assert.ok(["QUEUED", "RUNNING"].includes(state));
      assert.ok(Date.parse(updated_at ?? "") >= Date.parse(rest.created_at ?? ""));
      assert.equal(step_statuses.length, 3);
      return { status, location, rest };
    });
    assert.equal(new Set(lasting.map((response) => JSON.stringify(response))).size, 1);
    const [{ status, location, rest }] = lasting as [(typeof lasting)[number]];
    assert.deepEqual([status, location, rest.id], [201, `/v1/workflows/${id}`, id]);
    assert.deepEqual(
      [rest.name, rest.labels, rest.steps.map((step: { id: string }) => step.id)],
      ["fifty", spec.labels, ["design", "seqs", "fold"]],
    );
  });

  it("returns identical responses to repeats of a submission whose run has begun", async () => {
    await submit(first(), "alike");
    const repeats = await Promise.all(
      Array.from({ length: 20 }, (_, i) => submit(i % 2 === 0 ? first() : second(), "alike")),
    );
    assert.equal(new Set(repeats.map((response) => JSON.stringify(response))).size, 1);
  });

  it("returns 409 for the same key with another spec, at either gateway", async () => {
    const spec = { ...oneStep, name: "one-only" };
    assert.equal((await submit(first(), "one-only", spec)).status, 201);
    for (const gateway of [first(), second()]) {
      const other = await submit(gateway, "one-only", { ...spec, labels: { team: "beta" } });
      assert.deepEqual([other.status, other.body.code, other.body.retryable], [409, "ALREADY_EXISTS", false]);
    }
    assert.equal((await listed("one-only")).length, 1);
  });

  it("returns the same workflow to the repeat of a client that disconnected before its response", async () => {
    const spec = { ...oneStep, name: "broken-before" };
    const headers = {
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
      "Idempotency-Key": "broken",
    };
    const sent = request(`${first().url}/v1/workflows`, { method: "POST", headers, agent: false });
    sent.on("response", () => assert.fail("a response was received"));
    // The line is written before the response.
    first().logged.on("line", function breakOff() {
      if (first().logs.at(-1)?.event === "workflow.submit") sent.destroy();
    });
    const broken = new Promise((resolve) => sent.once("close", resolve));
    sent.on("error", () => undefined).end(JSON.stringify(spec));
    await broken;
    first().logged.removeAllListeners("line");
    const [id] = await listed("broken-before");
    const repeat = await submit(second(), "broken", spec);
    assert.deepEqual([repeat.status, repeat.body.id], [201, id]);
    assert.deepEqual(await listed("broken-before"), [id]);
  });
});

describe("POST /v1/workflows with an Idempotency-Key, when the orchestrator is lost before its response", () => {
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, stepSeconds: 3600 }));
  const orchestrator = suite(() => {
    const { client, close } = connectTo([sandbox().orchestratorUrl]);
    return Promise.resolve({ client, close: () => Promise.resolve(close()) });
  });
  const stack = suite(() => startStack());

  it("returns a retryable 503, does not retry the submission, and returns the same workflow to the repeat", async () => {
    const { upstream, gateway } = stack();
    const ids: string[] = [];
    upstream.rpcs.submitWorkflow = async (submission) => {
      const workflow = await orchestrator().client.submitWorkflow(submission);
      ids.push(workflow.id);
      if (ids.length === 1) upstream.dropConnections();
      return workflow;
    };
    const submit = () => gateway.fetch("/v1/workflows", jsonPost(oneStep, { "Idempotency-Key": "lost" }));
    const lost = await submit();
    const { retryable } = (await lost.json()) as { retryable: boolean };
    assert.deepEqual([lost.status, retryable, ids.length], [503, true, 1]);
    const repeat = await submit();
    const { id } = (await repeat.json()) as { id: string };
    assert.equal(repeat.status, 201);
    assert.deepEqual(ids, [id, id]);
    const { workflows } = await orchestrator().client.listWorkflows({});
    assert.equal(workflows.length, 1);
  });
});
