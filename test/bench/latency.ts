import { Agent, get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { amount } from "./amounts.ts";
import { load } from "./load.ts";
import type { Work } from "./load.ts";
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
  const latencies = await latenciesAt(rate, gateway.url, getOne);
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

/**
 * Sends `rate` requests per second at even intervals, whether earlier ones are answered or not. The latencies,
 * in milliseconds from when a request was due, shortest first.
 */
async function latenciesAt(rate: number, url: string, { path, headers }: Work): Promise<number[]> {
  const agent = new Agent({ keepAlive: true });
  const total = Math.round(rate * seconds);
  const latencies: number[] = [];
  const answers: Promise<void>[] = [];
  const begin = performance.now();

  function send(due: number): Promise<void> {
    return new Promise((resolve, reject) => {
      get(url + path, { agent, headers: { ...headers } }, (answer) => {
        answer.resume().once("end", () => {
          latencies.push(performance.now() - due);
          resolve();
        });
      }).once("error", reject);
    });
  }

  while (answers.length < total) {
    const dueByNow = Math.min(total, ((performance.now() - begin) / 1000) * rate);
    while (answers.length < dueByNow) answers.push(send(begin + (answers.length / rate) * 1000));
    await delay(1);
  }
  await Promise.all(answers);
  agent.destroy();
  return latencies.sort((a, b) => a - b);
}
