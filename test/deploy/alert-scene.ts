import { setTimeout as delay } from "node:timers/promises";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { createSend, submit } from "../drain/clients.ts";
import { adminToken, startTestGateway } from "../support/gateway.ts";
import { finishedRun } from "../support/finished-run.ts";
import { forwardTo, startTestStore } from "../support/object-store.ts";
import { oneStep } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { startPrometheus } from "./prometheus.ts";
import type { EvaluatedRule } from "./prometheus.ts";

/** A gateway, two orchestrators and a Prometheus that scrapes them. */
export interface AlertScene {
  query(expression: string): Promise<number | undefined>;
  /** An alert of a group of rules. */
  alert(name: string, group?: string): Promise<EvaluatedRule>;
  /** Resolves when the alert is in this state. */
  isIn(state: EvaluatedRule["state"], name: string, group?: string): Promise<void>;
  /** Sends a request to the gateway, whether that responds or not. */
  request(path: string, init?: RequestInit): Promise<void>;
  /** The path of a file of the object store. */
  readonly filePath: string;
  /** Sets how long the object store takes to respond. */
  delayStore(ms: number): void;
  /** Submits a workflow whose step hangs to the second orchestrator. The returned function cancels it. */
  hang(): Promise<() => Promise<void>>;
  stopOrchestrator(): Promise<void>;
  /** Starts another one at the same addresses. */
  restartOrchestrator(): Promise<void>;
  stopGateway(): Promise<void>;
  /** Starts another one at the same address. */
  restartGateway(): Promise<void>;
  close(): Promise<void>;
}

const jobs = ["foldforge-gateway", "foldforge-orchestrator"] as const;

/** Starts them. Prometheus evaluates these rules five times a second. */
export async function startAlertScene(rules: string): Promise<AlertScene> {
  await using cleanup = new AsyncDisposableStack();
  let sandbox = await startSandbox(sandboxSettings);
  cleanup.defer(() => sandbox.close());
  const hanging = await startSandbox({ ...sandboxSettings, stepSeconds: 3600 });
  cleanup.defer(() => hanging.close());

  const store = await startTestStore();
  cleanup.defer(() => store.close());
  const forward = forwardTo(sandbox.objectStoreUrl);
  let delayMs = 0;
  store.respond = function respond(req, res) {
    if (delayMs === 0) forward(req, res);
    else void delay(delayMs).then(() => res.destroyed || forward(req, res));
  };

  const settings = { ...settingsFor(sandbox), R2_ENDPOINT: store.url };
  let gateway = await startTestGateway(settings);
  cleanup.defer(() => gateway.close());
  const gatewayOfHanging = await startTestGateway(settingsFor(hanging));
  cleanup.defer(() => gatewayOfHanging.close());
  const { url } = gateway;

  const [gatewayJob, orchestratorJob] = jobs;
  const prometheus = await startPrometheus({
    jobs: { [gatewayJob]: [url], [orchestratorJob]: [sandbox.metricsUrl, hanging.metricsUrl] },
    rules,
    interval: "200ms",
  });
  cleanup.defer(prometheus.close);

  const id = await finishedRun(gateway, oneStep, adminToken);
  const listed = await (await gateway.fetch(`/v1/workflows/${id}/artifacts`)).json();
  const [{ href }] = (listed as { artifacts: [{ href: string }] }).artifacts;

  async function alert(name: string, group = "foldforge"): Promise<EvaluatedRule> {
    const found = (await prometheus.rules()).find((rule) => rule.group === group && rule.name === name);
    if (found === undefined) throw new Error(`there is no alert ${name}`);
    return found;
  }

  const resources = cleanup.move();
  return {
    query: async (expression) => (await prometheus.query(expression))[0]?.value,
    alert,
    async isIn(state, name, group) {
      while ((await alert(name, group)).state !== state) await delay(100);
    },
    async request(path, init) {
      const send = createSend(url, adminToken);
      const response = await send(path, init).catch(() => undefined);
      await response?.arrayBuffer().catch(() => undefined);
    },
    filePath: href,
    delayStore: (ms) => void (delayMs = ms),
    async hang() {
      const hangingId = await submit(createSend(gatewayOfHanging.url, adminToken), oneStep);
      return async function cancel() {
        await gatewayOfHanging.fetch(`/v1/workflows/${hangingId}`, { method: "DELETE" });
      };
    },
    stopOrchestrator: () => sandbox.close(),
    async restartOrchestrator() {
      const [orchestratorAddr, metricsAddr] = [sandbox.orchestratorUrl, sandbox.metricsUrl].map((address) => {
        const { hostname: host, port } = new URL(address);
        return { host, port: Number(port) };
      });
      sandbox = await startSandbox({
        ...sandboxSettings,
        orchestratorAddr: orchestratorAddr!,
        metricsAddr: metricsAddr!,
      });
    },
    stopGateway: () => gateway.close(),
    async restartGateway() {
      gateway = await startTestGateway({ ...settings, BIND_ADDR: new URL(url).host });
    },
    close: () => resources.disposeAsync(),
  };
}

/**
 * Sends a request at each interval, whether the earlier ones have a response or not. The returned function stops it, and
 * resolves when all have one.
 */
export function keepSending(send: () => Promise<void>, intervalMs: number): () => Promise<void> {
  const sent: Promise<void>[] = [];
  const timer = setInterval(() => sent.push(send()), intervalMs).unref();
  return async function stop() {
    clearInterval(timer);
    await Promise.all(sent);
  };
}
