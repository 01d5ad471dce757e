import { setTimeout as delay } from "node:timers/promises";
import { amount } from "./amounts.ts";
import { startBackend } from "./leaks-backend.ts";
import { createClients, repeat } from "./leaks-clients.ts";
import { startGateway } from "./processes.ts";
import type { Holdings, ServingProcess } from "./processes.ts";
import type { Finding } from "./report.ts";

const requests = amount(20_000, 28);
const streams = amount(5000, 8);
/** The share of the work that is done before anything is counted: caches fill, connections open, code is compiled. */
const warmUpShare = 0.5;
/** How long a gateway idles before it is measured, in milliseconds; idle connections to the store end. */
const settleMs = amount(7000, 100);

/** Compares what a gateway holds before and after a long run of every kind of request and stream. */
export async function measureLeaks(): Promise<Finding[]> {
  const backend = await startBackend();
  const gateway = await startGateway(backend.settings);
  try {
    await work(gateway, warmUpShare);
    const before = await gateway.holdings();
    await work(gateway, 1);
    return findingsFrom(before, await gateway.holdings());
  } finally {
    await gateway.stop();
    await backend.close();
  }
}

async function work({ url }: ServingProcess, share: number): Promise<void> {
  const clients = createClients(url);
  await repeat(clients.requests, requests * share);
  await repeat(clients.streams, streams * share);
  clients.close();
  await delay(settleMs);
}

const names: Readonly<Record<keyof Holdings, string>> = {
  heapBytes: "bytes on the heap",
  sockets: "sockets and HTTP/2 streams",
  timers: "timers",
  functions: "functions, listeners among them",
};

function findingsFrom(before: Holdings, after: Holdings): Finding[] {
  return (Object.keys(names) as (keyof Holdings)[]).map((kind) => ({
    work: `long run: change of ${names[kind]}`,
    ratio: Math.abs(after[kind] / before[kind] - 1),
    limit: 0.05,
    detail: `${before[kind]} before, ${after[kind]} after ${requests} requests and ${streams} event streams`,
  }));
}
