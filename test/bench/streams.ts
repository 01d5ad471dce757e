import { once } from "node:events";
import { connect } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { amount } from "./amounts.ts";
import { cpuOf, startGateway, startProcess } from "./processes.ts";
import type { ServingProcess, Usage } from "./processes.ts";
import type { Finding } from "./report.ts";
import { median } from "./rounds.ts";

const streams = amount(5000, 20);
/** Opened and closed again before anything is measured, so many at a time. */
const warmUps = amount(40, 1);
const warmUpStreams = amount(50, 5);
/** Events sent on every open stream while the CPU is read, after as many that are not. */
const rounds = amount(5, 1);
/** How long a process idles to settle, in milliseconds. */
const settleMs = amount(5000, 50);
/** How long it is then measured, in milliseconds: each stream gets one heartbeat. */
const idleMs = amount(15_000, 50);

/** Memory per open event stream, and CPU per event, of a gateway that holds 5,000 of them for 100 API keys. */
export async function measureStreams(): Promise<Finding[]> {
  checkOpenFiles();
  const orchestrator = await startProcess("event-orchestrator.ts");
  const gateway = await startGateway({ ORCHESTRATOR_ENDPOINT: orchestrator.url, API_KEYS_ENABLED: "true" });
  const clients = await startProcess("event-clients.ts", [gateway.url]);
  try {
    return await measure(orchestrator, gateway, clients);
  } finally {
    await Promise.all([clients, gateway, orchestrator].map((server) => server.stop()));
  }
}

async function measure(
  orchestrator: ServingProcess,
  gateway: ServingProcess,
  clients: ServingProcess,
): Promise<Finding[]> {
  const command = async (path: string) => {
    await (await fetch(`${clients.url}/${path}`)).text();
  };
  const upstream = connect(orchestrator.url);
  let events = 1;
  const deliver = async (kind: "step" | "workflow") => {
    const request = upstream
      .request({ ":method": "POST", ":path": `/send/${kind}` })
      .resume()
      .end();
    await once(request, "close");
    events += 1;
    await command(`received/${events}`);
  };

  const started = await gateway.usage();
  for (let round = 0; round < warmUps; round += 1) {
    await command(`open/${warmUpStreams}`);
    await deliver("step");
    await command("close");
    events = 1;
  }
  await delay(settleMs);
  const warm = await gateway.usage();

  const opening = await cpuOf(gateway, () => command(`open/${streams}`));
  await delay(settleMs);
  const idling = await cpuOf(gateway, () => delay(idleMs));
  const idle = await gateway.usage();

  const micros = { step: 0, workflow: 0 };
  for (const kind of ["step", "workflow"] as const) {
    const perEvent: number[] = [];
    for (let round = 0; round < 2 * rounds; round += 1) {
      perEvent.push((await cpuOf(gateway, () => deliver(kind))) / streams);
    }
    micros[kind] = median(perEvent.slice(rounds));
  }
  upstream.destroy();

  const kibBeyond = ({ residentBytes }: Usage) => (idle.residentBytes - residentBytes) / 1024 / streams;
  const idlePerSecond = idling / streams / (idleMs / 1000);
  return [
    {
      work: "event streams: KiB resident per open stream",
      value: kibBeyond(warm),
      limit: 16,
      known: "node:http alone takes 15 KiB of each connection, 10 of them its parser",
      detail: `${kibBeyond(started).toFixed(1)} beyond a process that has served nothing; ${(opening / streams).toFixed(0)} µs CPU to open one`,
    },
    {
      work: "event streams: µs CPU per event delivered",
      value: micros.step,
      limit: 25,
      detail: `a step; a workflow ${micros.workflow.toFixed(0)} µs; an idle stream ${idlePerSecond.toFixed(1)} µs per second, heartbeat and garbage collection included`,
    },
  ];
}

/** Throws when a process may not hold so many streams. */
function checkOpenFiles(): void {
  const needed = streams + 500;
  // Node raises its own limit to the hard one when it starts, and every child does.
  const { userLimits } = process.report.getReport() as {
    userLimits?: { open_files: { hard: number | string } };
  };
  const limit = Number(userLimits?.open_files.hard ?? Infinity);
  if (limit < needed)
    throw new Error(`the limit of open files (ulimit -Hn) is ${limit}; ${needed} are needed`);
}
