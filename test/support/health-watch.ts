import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** The longest waits for a gateway's health, in milliseconds. */
export interface HealthWait {
  /** From a request to the end of its response. */
  readonly longestMs: number;
  /**
   * The longest part of such a wait in which the gateway's main thread was running; on a busy machine, other programs
   * ran in the rest. Undefined if the system does not report it.
   */
  readonly ownMs: number | undefined;
}

/** Requests a gateway's health repeatedly, in a separate thread that is not delayed by the test. */
export interface HealthWatch {
  /** Since the last call. */
  longest(): Promise<HealthWait>;
  close(): Promise<void>;
}

const program = `
  const { readFileSync } = require("node:fs");
  const { parentPort, workerData: { url, pid, intervalMs } } = require("node:worker_threads");
  const { Agent, get } = require("node:http");
  const agent = new Agent({ keepAlive: true });
  const file = "/proc/" + pid + "/task/" + pid + "/schedstat";
  let longestMs = 0;
  let ownMs;
  let asked;
  let ran;

  /** Milliseconds that the main thread has run; undefined if the system does not report it. */
  function runTime() {
    try {
      return Number(readFileSync(file, "latin1").split(" ")[0]) / 1e6;
    } catch {
      return undefined;
    }
  }

  function ask() {
    ran = runTime();
    asked = performance.now();
    get(url + "/v1/healthz", { agent }, (response) => response.resume().on("end", next)).on("error", next);
  }

  function next() {
    const wait = performance.now() - asked;
    const now = runTime();
    longestMs = Math.max(longestMs, wait);
    if (ran !== undefined && now !== undefined) ownMs = Math.max(ownMs ?? 0, Math.min(wait, now - ran));
    setTimeout(ask, intervalMs);
  }

  parentPort.on("message", () => {
    parentPort.postMessage({ longestMs, ownMs });
    longestMs = 0;
    ownMs = undefined;
  });
  ask();
`;

/** Starts it, for a gateway whose process is `pid`. Waits `intervalMs` between a response and the next request. */
export function watchHealth(url: string, pid: number | undefined, intervalMs = 2): HealthWatch {
  const worker = new Worker(program, { eval: true, workerData: { url, pid, intervalMs } });
  return {
    async longest() {
      const message = once(worker, "message");
      worker.postMessage("longest");
      const [wait] = (await message) as [HealthWait];
      return wait;
    },
    async close() {
      await worker.terminate();
    },
  };
}
