/** Preloaded into every measured process: reports over IPC what it has used and what it holds. */
import { Duplex } from "node:stream";
import { queryObjects } from "node:v8";
import type { Holdings, Usage } from "./processes.ts";

// A class that Node does not export.
const { constructor: Timeout } = setTimeout(() => undefined, 0);

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuMicros: user + system, residentBytes: process.memoryUsage.rss() };
}

/** Counting objects collects the garbage first. */
function holdings(): Holdings {
  const count = (kind: Parameters<typeof queryObjects>[0]) => Number(queryObjects(kind));
  const [sockets, timers, functions] = [count(Duplex), count(Timeout), count(Function)];
  return { heapBytes: process.memoryUsage().heapUsed, sockets, timers, functions };
}

const responses: Readonly<Record<string, () => Usage | Holdings>> = { usage, holdings };

process.on("message", (name) => process.send?.(responses[String(name)]?.()));
process.once("disconnect", () => process.exit(0));
