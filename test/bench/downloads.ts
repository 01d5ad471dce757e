import { amount } from "./amounts.ts";
import { download, downloadSlowly } from "./download-client.ts";
import { compareDownloads } from "./download-cpu.ts";
import { residentGrowth } from "./download-memory.ts";
import { bucket, lengths } from "./download-objects.ts";
import { startFloorSide, startGatewaySide } from "./download-sides.ts";
import type { Settings } from "./download-sides.ts";
import { startProcess } from "./processes.ts";
import type { ServingProcess } from "./processes.ts";
import type { Finding } from "./report.ts";

const slowReaders = 64;
const slowMs = amount(6000, 100);

/** What a download costs beside the bare pipeline of the same body, and by how much it makes the gateway grow. */
export async function measureDownloads(): Promise<Finding[]> {
  const store = await startProcess("download-store.ts");
  const orchestrator = await startProcess("download-orchestrator.ts");
  const settings = {
    ORCHESTRATOR_ENDPOINT: orchestrator.url,
    R2_ENDPOINT: store.url,
    R2_BUCKET: bucket,
    R2_ACCESS_KEY_ID: "any",
    R2_SECRET_ACCESS_KEY: "any",
  };
  const findings = [
    await measureCpu(store, settings),
    await measureLargeFile(settings),
    await measureSlowReaders(settings),
  ];
  await Promise.all([store.stop(), orchestrator.stop()]);
  return findings;
}

async function measureCpu(store: ServingProcess, settings: Settings): Promise<Finding> {
  const gateway = await startGatewaySide(settings);
  const floor = await startFloorSide(store);
  // Neither side takes the SHA-256 of a plain object, both take that of a checked one.
  const plain = await compareDownloads(gateway, floor, "plain");
  const checked = await compareDownloads(gateway, floor, "checked");
  await Promise.all([gateway.server.stop(), floor.server.stop()]);
  return {
    work: "artifact download: CPU per byte",
    ratio: plain.ratio,
    limit: 1.3,
    detail:
      `${plain.micros.toFixed(0)} µs per MiB against ${plain.baseMicros.toFixed(0)}; with SHA-256 on both sides ` +
      `${checked.micros.toFixed(0)} against ${checked.baseMicros.toFixed(0)}, ratio ${checked.ratio.toFixed(2)}`,
  };
}

async function measureLargeFile(settings: Settings): Promise<Finding> {
  const growthWith = (mebibytes: number) =>
    residentGrowth(settings, ({ source }) => download(source("checked", mebibytes), mebibytes));
  const medium = await growthWith(lengths.medium);
  return {
    work: "artifact download: MiB resident growth, 1 GiB",
    value: await growthWith(lengths.large),
    limit: 64,
    detail: `${medium.toFixed(1)} MiB with ${lengths.medium} MiB`,
  };
}

async function measureSlowReaders(settings: Settings): Promise<Finding> {
  return {
    work: `artifact download: MiB resident growth, ${slowReaders} slow readers`,
    value: await residentGrowth(settings, ({ source }) =>
      downloadSlowly(source("checked", lengths.medium), slowReaders, slowMs),
    ),
    limit: 64,
    detail: `of ${lengths.medium} MiB each; every second one stops after its first bytes`,
  };
}
