import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** Asks a gateway for its health, again and again, in a thread of its own that nothing else holds up. */
export interface HealthWatch {
  /** The longest time from a request to the end of its response since this was last asked, in milliseconds. */
  longestMs(): Promise<number>;
  close(): Promise<void>;
}

const program = `
  const { parentPort, workerData: url } = require("node:worker_threads");
  const { Agent, get } = require("node:http");
  const agent = new Agent({ keepAlive: true });
  let longest = 0;
  let asked = performance.now();
  function ask() {
    asked = performance.now();
    get(url + "/v1/healthz", { agent }, (response) => response.resume().on("end", next)).on("error", next);
  }
  function next() {
    longest = Math.max(longest, performance.now() - asked);
    setTimeout(ask, 2);
  }
  parentPort.on("message", () => {
    parentPort.postMessage(longest);
    longest = 0;
  });
  ask();
`;

/** Starts it. */
export function watchHealth(url: string): HealthWatch {
  const worker = new Worker(program, { eval: true, workerData: url });
  return {
    async longestMs() {
      const said = once(worker, "message");
      worker.postMessage("longest");
      const [longest] = (await said) as [number];
      return longest;
    },
    async close() {
      await worker.terminate();
    },
  };
}
