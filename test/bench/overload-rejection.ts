import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { amount } from "./amounts.ts";
import { openClients } from "./overload-load.ts";
import { cpuOf, startGateway } from "./processes.ts";
import { getOne } from "./requests.ts";
import { median } from "./rounds.ts";

const rate = amount(15_000, 500);
const seconds = amount(1, 0.1);
const rounds = amount(5, 1);
const connections = amount(500, 10);

/** The gateway's CPU for each request that it rejects, in microseconds, without other work. */
export async function microsPerRejection(): Promise<number> {
  const silent = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const gateway = await startGateway({
    ORCHESTRATOR_ENDPOINT: `http://127.0.0.1:${port}`,
    ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "3600",
    ORCHESTRATOR_KEEPALIVE_TIME_SECONDS: "3600",
    ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS: "3600",
    MAX_REQUESTS_IN_FLIGHT: "1",
  });
  // The first request stays in flight, at the limit of one; the second is rejected.
  const leaving = new AbortController();
  const get = () => fetch(gateway.url + getOne.path, { headers: getOne.headers, signal: leaving.signal });
  await Promise.any([get(), get()]);

  const clients = await openClients(gateway.url, getOne, connections);
  await clients.flood(rate, seconds);
  const micros: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const cpu = await cpuOf(gateway, () => clients.flood(rate, seconds));
    micros.push(cpu / (rate * seconds));
  }
  clients.close();
  leaving.abort();
  await gateway.stop();
  silent.close();
  return median(micros);
}
