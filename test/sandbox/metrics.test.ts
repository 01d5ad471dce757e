import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { findProgram } from "../deploy/prometheus.ts";
import { scrape } from "../support/metrics.ts";
import { readUntil, useSandbox, type TestSandbox } from "./support.ts";

/** The samples that are not 0, without the buckets of the histogram. */
async function counted({ sandbox }: TestSandbox): Promise<Record<string, number>> {
  const samples = [...(await scrape(sandbox.metricsUrl))];
  return Object.fromEntries(samples.filter(([name, value]) => value !== 0 && !name.includes("_bucket{")));
}

describe("the metrics of the orchestrator", () => {
  let time = 1_000_000;
  const test = useSandbox({}, () => time);
  const slow = useSandbox({ stepSeconds: 600 }, () => time);

  it("have a sample of 0 for every combination of labels before anything happens", async () => {
    const samples = await scrape(test.sandbox.metricsUrl);
    const states = ["SUCCEEDED", "FAILED", "CANCELLED"];
    const tools = ["rfdiffusion", "proteinmpnn", "boltz", "af2"];
    const expected = [
      ...states.map((state) => `foldforge_workflows_total{state="${state}"}`),
      ...tools.flatMap((tool) =>
        states.map((outcome) => `foldforge_steps_total{tool="${tool}",outcome="${outcome}"}`),
      ),
      "foldforge_steps_in_flight",
      "foldforge_workflow_duration_seconds_sum",
      "foldforge_workflow_duration_seconds_count",
    ];
    const names = [...samples.keys()].filter((name) => !name.includes("_bucket{"));
    assert.deepEqual(names.toSorted(), expected.toSorted());
    assert.ok([...samples.values()].every((value) => value === 0));
  });

  it("count the steps and workflows that end, again after a retry", async () => {
    await test.run([{ id: "design", tool: "rfdiffusion" }]);
    const { id: workflowId } = await test.run([
      { id: "good", tool: "boltz" },
      { id: "bad", dependsOn: ["good"], params: { sandbox_fail: 1 } },
      { id: "last", dependsOn: ["bad"] },
    ]);
    const afterFailure = {
      'foldforge_workflows_total{state="SUCCEEDED"}': 1,
      'foldforge_workflows_total{state="FAILED"}': 1,
      'foldforge_steps_total{tool="rfdiffusion",outcome="SUCCEEDED"}': 1,
      'foldforge_steps_total{tool="boltz",outcome="SUCCEEDED"}': 1,
      'foldforge_steps_total{tool="af2",outcome="FAILED"}': 1,
      foldforge_workflow_duration_seconds_count: 2,
    };
    assert.deepEqual(await counted(test), afterFailure);
    await test.orchestrator.retryWorkflow({ workflowId });
    await test.finish(workflowId);
    assert.deepEqual(await counted(test), {
      ...afterFailure,
      'foldforge_workflows_total{state="SUCCEEDED"}': 2,
      'foldforge_steps_total{tool="af2",outcome="SUCCEEDED"}': 2,
      foldforge_workflow_duration_seconds_count: 3,
    });
  });

  it("show the steps that run and do not end, and how long a workflow has run when it is cancelled", async () => {
    const { id: workflowId } = await slow.submit([{ id: "a" }, { id: "b" }, { id: "c", dependsOn: ["a"] }]);
    const events = slow.orchestrator.streamWorkflowEvents({ workflowId, fromEventId: 1n });
    await readUntil(
      events,
      ({ event }) =>
        event.case === "stepUpdate" && event.value.stepId === "b" && event.value.state === JobState.RUNNING,
    );
    assert.deepEqual(await counted(slow), { foldforge_steps_in_flight: 2 });
    time += 100_000;
    await slow.orchestrator.cancelWorkflow({ workflowId });
    assert.deepEqual(await counted(slow), {
      'foldforge_workflows_total{state="CANCELLED"}': 1,
      'foldforge_steps_total{tool="af2",outcome="CANCELLED"}': 2,
      foldforge_workflow_duration_seconds_sum: 100,
      foldforge_workflow_duration_seconds_count: 1,
    });
    const samples = await scrape(slow.sandbox.metricsUrl);
    const upTo = (bound: number) => samples.get(`foldforge_workflow_duration_seconds_bucket{le="${bound}"}`);
    assert.deepEqual([upTo(60), upTo(300)], [0, 1]);
  });

  it("are text at /metrics, and nothing is elsewhere", async () => {
    const { metricsUrl } = test.sandbox;
    const response = await fetch(`${metricsUrl}/metrics`);
    await response.body?.cancel();
    assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for (const request of [
      new Request(metricsUrl),
      new Request(`${metricsUrl}/metrics/x`),
      new Request(`${metricsUrl}/metrics`, { method: "POST" }),
    ]) {
      const { status, body } = await fetch(request);
      await body?.cancel();
      assert.equal(status, 404);
    }
  });

  it("follow the conventions of Prometheus", async function () {
    const promtool = findProgram("promtool");
    if (promtool === undefined) {
      console.log("      skipped: promtool is not installed");
      return this.skip();
    }
    const input = await (await fetch(`${test.sandbox.metricsUrl}/metrics`)).text();
    const { status, stdout, stderr } = spawnSync(promtool, ["check", "metrics"], { input, encoding: "utf8" });
    assert.deepEqual([status, stdout, stderr], [0, "", ""]);
  });
});
