import { amount } from "./amounts.ts";
import { load } from "./load.ts";
import { pacedLoad } from "./paced-load.ts";
import type { ServingProcess } from "./processes.ts";
import type { Finding } from "./report.ts";
import { getOne } from "./requests.ts";

const capacityRequests = amount(10_000, 64);
const seconds = amount(10, 0.2);

/** How much longer the slowest answers take than most, at half of the rate that the gateway can serve. */
export async function measureLatency(gateway: ServingProcess): Promise<Finding[]> {
  await load(gateway.url, getOne, capacityRequests);
  const capacity = await load(gateway.url, getOne, capacityRequests);
  const rate = Math.round(capacity / 2);
  const latencies = await pacedLoad(gateway.url, getOne, rate, seconds);
  const at = (quantile: number) => latencies[Math.floor(latencies.length * quantile)] ?? NaN;
  const [median, p99] = [at(0.5), at(0.99)];
  return [
    {
      work: "p99 latency against the median, at half of the capacity",
      ratio: p99 / median,
      limit: 5,
      detail: `${p99.toFixed(1)} ms against ${median.toFixed(1)}, at ${rate} requests per second`,
    },
  ];
}
