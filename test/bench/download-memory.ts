import { setTimeout } from "node:timers/promises";
import { amount } from "./amounts.ts";
import { download } from "./download-client.ts";
import { lengths, mebibyte } from "./download-objects.ts";
import { startGatewaySide } from "./download-sides.ts";
import type { Settings, Side } from "./download-sides.ts";

const warmUpDownloads = amount(16, 1);
const sampleMs = 50;

/** By how many MiB a fresh gateway that has served small files is larger at most while it does this work. */
export async function residentGrowth(
  settings: Settings,
  work: (gateway: Side) => Promise<void>,
): Promise<number> {
  const gateway = await startGatewaySide(settings);
  for (let i = 0; i < warmUpDownloads; i += 1) {
    await download(gateway.source("checked", lengths.small), lengths.small);
  }
  const { residentBytes: idle } = await gateway.server.usage();
  const over = new AbortController();
  const peak = peakUntil(over.signal, gateway);
  await work(gateway);
  over.abort();
  const growth = (await peak) - idle;
  await gateway.server.stop();
  return growth / mebibyte;
}

/** The most resident bytes of a process until `over` aborts, by samples. */
async function peakUntil(over: AbortSignal, { server }: Side): Promise<number> {
  const samples: number[] = [];
  do {
    samples.push((await server.usage()).residentBytes);
    await setTimeout(sampleMs);
  } while (!over.aborted);
  return Math.max(...samples);
}
