import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { suite } from "../support/gateway.ts";
import { blocks, readPage, section } from "../support/pages.ts";
import { jsonPost, oneStep } from "../support/samples.ts";
import { keepSending, startAlertScene } from "./alert-scene.ts";
import { findProgram } from "./prometheus.ts";

/** What a minute of the rules takes here. */
const minuteMs = 200;

/** A text of rules or an expression, with its times shortened. */
function scaled(text: string): string {
  return text.replace(/\b(\d+)m\b/g, (_, minutes: string) => `${Number(minutes) * minuteMs}ms`);
}

/** The rules of existing deployments and, in the group `corrected`, those of docs/monitoring.md in place of two. */
function rules(): string {
  const { groups } = parse(readFileSync("test/deploy/existing-alerts.yaml", "utf8")) as {
    groups: object[];
  };
  const page = section(readPage("docs/monitoring.md"), "Rules of earlier deployments");
  const corrected: unknown = parse(blocks(page, "yaml")[0] ?? "");
  return scaled(stringify({ groups: [...groups, { name: "corrected", rules: corrected }] }));
}

const p95 = scaled(
  "histogram_quantile(0.95, sum(rate(foldforge_gateway_http_request_duration_seconds_bucket[10m])) by (le))[20m:1m]",
);

const failing = jsonPost({
  name: "failing",
  steps: [{ id: "a", tool: "proteinmpnn", params: { sandbox_fail: 1 } }],
});

describe("the alerts of existing deployments in a Prometheus with shorter times", function () {
  before("find Prometheus", function () {
    if (findProgram("prometheus") !== undefined) return;
    console.log("    skipped: prometheus is not installed");
    this.skip();
  });
  const scene = suite(() => startAlertScene(rules()));
  const download = () => scene().request(scene().filePath);

  it("do not take 1.2 s for more than 2 s", async () => {
    const { query, alert, delayStore } = scene();
    delayStore(1200);
    const stop = keepSending(download, 200);
    // For twice the time that fires the alert.
    for (;;) {
      const [least = 0, most = Infinity] = [
        await query(`min_over_time(${p95})`),
        await query(`max_over_time(${p95})`),
      ];
      if (least > 1 && most <= 2) break;
      await delay(100);
    }
    assert.equal((await alert("FoldForgeGatewayLatencyP95High")).state, "inactive");
    delayStore(0);
    await stop();
  });

  it("fire while responses take 2.2 s, and clear", async () => {
    const { isIn, delayStore } = scene();
    delayStore(2200);
    const stop = keepSending(download, 200);
    await isIn("firing", "FoldForgeGatewayLatencyP95High");
    delayStore(0);
    await isIn("inactive", "FoldForgeGatewayLatencyP95High");
    await stop();
  });

  it("fire while workflows fail, and clear", async () => {
    const { isIn, request } = scene();
    const groups = ["foldforge", "corrected"];
    const stopFailing = keepSending(() => request("/v1/workflows", failing), 100);
    for (const group of groups) await isIn("firing", "FoldForgeHighWorkflowFailureRate", group);
    await stopFailing();
    const stop = keepSending(() => request("/v1/workflows", jsonPost(oneStep)), 30);
    for (const group of groups) await isIn("inactive", "FoldForgeHighWorkflowFailureRate", group);
    await stop();
  });

  it("fire while a step hangs only if both sides have the same labels, and clear", async () => {
    const { isIn, alert, hang } = scene();
    const cancel = await hang();
    await isIn("firing", "FoldForgeStepsInFlightStalled", "corrected");
    assert.equal((await alert("FoldForgeStepsInFlightStalled")).state, "inactive");
    await cancel();
    await isIn("inactive", "FoldForgeStepsInFlightStalled", "corrected");
  });

  it("fire while the orchestrator is down and requests fail, and clear", async () => {
    const { isIn, request, stopOrchestrator, restartOrchestrator } = scene();
    const alerts = ["FoldForgeOrchestratorDown", "FoldForgeHighGateway5xx"];
    const stop = keepSending(() => request("/v1/workflows"), 100);
    await stopOrchestrator();
    for (const name of alerts) await isIn("firing", name);
    await restartOrchestrator();
    for (const name of alerts) await isIn("inactive", name);
    await stop();
  });

  it("fire while the gateway is down, and clear", async () => {
    const { isIn, stopGateway, restartGateway } = scene();
    await stopGateway();
    await isIn("firing", "FoldForgeGatewayDown");
    await restartGateway();
    await isIn("inactive", "FoldForgeGatewayDown");
  });
});
