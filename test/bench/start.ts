import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { imageFlags } from "../support/image-flags.ts";
import { amount } from "./amounts.ts";
import { environmentOf } from "./processes.ts";
import type { Finding } from "./report.ts";
import { median } from "./rounds.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const starts = amount(5, 1);
const pollMs = amount(2, 50);

/** Seconds from the start of the process to its first healthy response. */
export async function measureStart(): Promise<Finding[]> {
  const seconds: number[] = [];
  for (let start = 0; start < starts; start += 1) seconds.push(await secondsToHealthy());
  const detail = `of ${starts} starts, ${Math.max(...seconds).toFixed(2)} s the slowest`;
  return [
    { work: "start: seconds to the first healthy response", value: median(seconds), limit: 1.5, detail },
  ];
}

async function secondsToHealthy(): Promise<number> {
  const address = `127.0.0.1:${await freePort()}`;
  const begin = performance.now();
  const child = spawn(process.execPath, [...imageFlags(), main], {
    env: environmentOf({ BIND_ADDR: address }),
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exit = once(child, "exit");
  while (!(await isHealthy(address))) {
    if (child.exitCode !== null) throw new Error("the gateway ended before it was healthy");
    await delay(pollMs);
  }
  const milliseconds = performance.now() - begin;
  child.kill("SIGKILL");
  await exit;
  return milliseconds / 1000;
}

async function isHealthy(address: string): Promise<boolean> {
  return fetch(`http://${address}/v1/healthz`).then(
    (response) => response.ok,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
