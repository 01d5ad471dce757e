import { amount } from "./amounts.ts";
import { load } from "./load.ts";
import { pacedLoad } from "./paced-load.ts";
import type { ServingProcess } from "./processes.ts";
import type { Finding } from "./report.ts";
import { getOne } from "./requests.ts";
import type { Servers } from "./requests.ts";

const capacityRequests = amount(10_000, 8);
const seconds = amount(10, 0.2);

/** How much longer the slowest responses take than most, at half of the rate that the gateway can serve. */
export async function measureLatency({ gateway, floor }: Servers): Promise<Finding[]> {
  const own = await latencyOf(gateway);
  const base = await latencyOf(floor);
  return [
    {
      work: "p99 latency against the median, at half of the capacity",
      ratio: own.ratio,
      limit: 5,
      known:
        "the orchestrator pauses to collect the garbage of node:http2; PEERS=1 measures in front of one that does not",
      detail: `${own.text}; the floor ${base.text}, ratio ${base.ratio.toFixed(1)}`,
    },
  ];
}

async function latencyOf({ url }: ServingProcess): Promise<{ ratio: number; text: string }> {
  await load(url, getOne, capacityRequests);
  const rate = Math.round((await load(url, getOne, capacityRequests)) / 2);
  const latencies = await pacedLoad(url, getOne, rate, seconds);
  const at = (quantile: number) => latencies[Math.floor(latencies.length * quantile)] ?? NaN;
  const [median, p99] = [at(0.5), at(0.99)];
  const text = `${p99.toFixed(1)} ms against ${median.toFixed(1)} at ${rate} per second`;
  return { ratio: p99 / median, text };
}
