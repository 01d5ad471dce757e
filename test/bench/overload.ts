import { amount } from "./amounts.ts";
import type { Work } from "./load.ts";
import { openClients } from "./overload-load.ts";
import type { Clients, Flood } from "./overload-load.ts";
import { microsPerRejection } from "./overload-rejection.ts";
import { adminToken, cpuOf, startGateway, startProcess } from "./processes.ts";
import type { ServingProcess } from "./processes.ts";
import type { Finding } from "./report.ts";
import { getOne } from "./requests.ts";
import { median } from "./rounds.ts";

/** The load, as a multiple of what is served when each client waits for its response. */
const overload = 3;
const rounds = amount(3, 1);
const saturationSeconds = amount(2, 0.02);
const floodSeconds = amount(3, 0.1);

/** Connections: those that are busy at saturation, and those of the whole load; rejected requests need few. */
const saturating = amount(64, 8);
const connections = amount(1500, 50);

const getPage: Work = {
  path: "/v1/workflows?page_size=20",
  headers: { Authorization: `Bearer ${adminToken}` },
  status: 200,
};

/** One round: what the gateway serves at saturation, for how much CPU each, and the result of the overload. */
interface Round {
  readonly capacity: number;
  readonly micros: number;
  readonly flood: Flood;
}

/** Why the bound does not hold if serving takes only a few times as long as a rejection by node:http. */
const rejectionCost = "two rejections for each request cost more than the share that may be lost";

/** Measures three times the load of a gateway that is the bottleneck, and of one whose orchestrator is. */
export async function measureOverload(): Promise<Finding[]> {
  const [fast, slow] = await Promise.all([
    startProcess("orchestrator.ts"),
    startProcess("overload-orchestrator.ts"),
  ]);
  const rejection = await microsPerRejection();
  const findings = [
    ...(await measure("slow orchestrator, GET one", slow, getOne, rejection, 0.2)),
    ...(await measure("busy gateway, GET a page", fast, getPage, rejection, 0.2, rejectionCost)),
    ...(await measure("busy gateway, GET one", fast, getOne, rejection, 0.3, rejectionCost)),
  ];
  await Promise.all([fast.stop(), slow.stop()]);
  return findings;
}

async function measure(
  name: string,
  orchestrator: ServingProcess,
  work: Work,
  rejectionMicros: number,
  lossLimit: number,
  known?: string,
): Promise<Finding[]> {
  const gateway = await startGateway({ ORCHESTRATOR_ENDPOINT: orchestrator.url, API_KEYS_ENABLED: "true" });
  const clients = await openClients(gateway.url, work, connections);
  await clients.saturate(saturating, 2 * saturationSeconds);
  const all: Round[] = [];
  for (let i = 0; i < rounds; i += 1) all.push(await measureRound(gateway, clients));
  clients.close();
  await gateway.stop();

  const middle = (figure: (round: Round) => number) => median(all.map(figure));
  const share = middle(({ capacity, flood }) => flood.servedPerSecond / capacity);
  const cost = rejectionMicros / middle(({ micros }) => micros);
  return [
    {
      work: `overload, ${name}: share of capacity lost`,
      ratio: 1 - share,
      limit: lossLimit,
      ...(known === undefined ? {} : { known }),
      detail: [
        `${middle(({ capacity }) => capacity).toFixed(0)} per second, ${middle(({ flood }) => flood.rate).toFixed(0)} sent`,
        `at most ${middle(({ flood }) => flood.maxDelayMs).toFixed(0)} ms late`,
        `served within ${middle(({ flood }) => at(flood.served, 0.5)).toFixed(0)} ms, p99 ${middle(({ flood }) => at(flood.served, 0.99)).toFixed(0)}`,
        `a rejection costs ${rejectionMicros.toFixed(0)} µs, ${cost.toFixed(2)} of serving: one core allows ${allowed(cost).toFixed(2)}`,
      ].join("; "),
    },
    {
      work: `overload, ${name}: ms to a rejection, p99`,
      value: middle(({ flood }) => at(flood.rejected, 0.99)),
      limit: 100,
      ...(known === undefined ? {} : { known }),
      detail: `median ${middle(({ flood }) => at(flood.rejected, 0.5)).toFixed(1)} ms`,
    },
  ];
}

async function measureRound(gateway: ServingProcess, clients: Clients): Promise<Round> {
  let capacity = 0;
  const cpuMicros = await cpuOf(gateway, async () => {
    capacity = await clients.saturate(saturating, saturationSeconds);
  });
  const flood = await clients.flood(overload * capacity, floodSeconds);
  return { capacity, micros: cpuMicros / (capacity * saturationSeconds), flood };
}

/** What a core that is full at 1 serves of `overload` when rejecting takes `cost` of serving. */
function allowed(cost: number): number {
  return (1 - overload * cost) / (1 - cost);
}

function at(sorted: readonly number[], quantile: number): number {
  return sorted[Math.floor(sorted.length * quantile)] ?? 0;
}
