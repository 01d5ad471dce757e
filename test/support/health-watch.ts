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
  const { openSync, readSync } = require("node:fs");
  const { connect } = require("node:net");
  const { parentPort, workerData: { url, pid } } = require("node:worker_threads");
  const { hostname, port } = new URL(url);
  // One connection and one open file: node:http and opening the file each time would cost several times as much.
  const request = "GET /v1/healthz HTTP/1.1\\r\\nHost: gateway\\r\\n\\r\\n";
  const file = openStatistics();
  const statistics = Buffer.alloc(100);
  let socket;
  let received = "";
  let longestMs = 0;
  let ownMs;
  let asked;
  let ran;

  /** The file with the run time of the main thread; undefined if the system does not report it. */
  function openStatistics() {
    try {
      return openSync("/proc/" + pid + "/task/" + pid + "/schedstat");
    } catch {
      return undefined;
    }
  }

  /** Milliseconds that the main thread has run; undefined if the system does not report it, or after its end. */
  function runTime() {
    try {
      const length = readSync(file, statistics, 0, statistics.length, 0);
      return Number(statistics.toString("latin1", 0, length).split(" ")[0]) / 1e6;
    } catch {
      return undefined;
    }
  }

  function open() {
    const opened = connect(port, hostname).setNoDelay().setEncoding("latin1");
    opened
      .on("data", (text) => {
        received += text;
        const [head, body] = received.split("\\r\\n\\r\\n");
        if (body?.length === Number(/^content-length: (\\d+)/im.exec(head)?.[1])) next();
      })
      .on("error", () => undefined)
      .on("close", () => {
        socket = undefined;
        if (asked !== undefined) next();
      });
    return opened;
  }

  function ask() {
    ran = runTime();
    asked = performance.now();
    received = "";
    socket ??= open();
    socket.write(request);
  }

  function next() {
    const wait = performance.now() - asked;
    const now = runTime();
    longestMs = Math.max(longestMs, wait);
    if (ran !== undefined && now !== undefined) ownMs = Math.max(ownMs ?? 0, Math.min(wait, now - ran));
    asked = undefined;
    setTimeout(ask, 2);
  }

  parentPort.on("message", () => {
    parentPort.postMessage({ longestMs, ownMs });
    longestMs = 0;
    ownMs = undefined;
  });
  ask();
`;

/** Starts it, for a gateway whose process is `pid`. */
export function watchHealth(url: string, pid: number | undefined): HealthWatch {
  const worker = new Worker(program, { eval: true, workerData: { url, pid } });
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
