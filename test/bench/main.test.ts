import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Each measured work, its unit and its bound. */
const bounds: [work: string, unit: "ratio" | "value", limit: number][] = [
  ["GET one workflow, admin token", "ratio", 1],
  ["GET one workflow, API key", "ratio", 1],
  ["POST a workflow, API key", "ratio", 1.1],
  ["GET a page of 20 workflows", "ratio", 0.6],
  ["rejected with 400", "ratio", 0.5],
  ["rejected with 401", "ratio", 0.5],
  ["rejected with 404", "ratio", 0.5],
  ["p99 latency against the median, at half of the capacity", "ratio", 5],
  ["growth from 10 to 110 routes", "ratio", 1.05],
  ["MiB resident, idle", "value", 90],
  ["MiB resident, after the run", "value", 160],
  ["artifact download: CPU per byte", "ratio", 1.3],
  ["artifact download: MiB resident growth, 1 GiB", "value", 64],
  ["artifact download: MiB resident growth, 64 slow readers", "value", 64],
  ["event streams: KiB resident per open stream", "value", 16],
  ["event streams: µs CPU per event delivered", "value", 25],
  ["start: seconds to the first healthy response", "value", 1.5],
  ["overload, slow orchestrator, GET one: share of capacity lost", "ratio", 0.2],
  ["overload, slow orchestrator, GET one: ms to a rejection, p99", "value", 100],
  ["overload, busy gateway, GET a page: share of capacity lost", "ratio", 0.2],
  ["overload, busy gateway, GET a page: ms to a rejection, p99", "value", 100],
  ["overload, busy gateway, GET one: share of capacity lost", "ratio", 0.3],
  ["overload, busy gateway, GET one: ms to a rejection, p99", "value", 100],
  ["long run: change of bytes on the heap", "ratio", 0.05],
  ["long run: change of sockets and HTTP/2 streams", "ratio", 0.05],
  ["long run: change of timers", "ratio", 0.05],
  ["long run: change of functions, listeners among them", "ratio", 0.05],
  ["worst workflows, page by page: MiB resident at most", "value", 512],
  ["worst workflows, page by page: ms to healthz at most", "value", 100],
  ["worst workflows, pages at once: MiB resident at most", "value", 512],
  ["worst workflows, pages at once: ms to healthz at most", "value", 100],
  ["worst workflows, reads at once: MiB resident at most", "value", 512],
  ["worst workflows, reads at once: ms to healthz at most", "value", 100],
  ["worst workflows, artifact lookups: MiB resident at most", "value", 512],
  ["worst workflows, artifact lookups: ms to healthz at most", "value", 100],
  ["worst workflows, submissions: MiB resident at most", "value", 512],
  ["worst workflows, submissions: ms to healthz at most", "value", 100],
  ["worst workflows, unread streams: MiB resident at most", "value", 512],
  ["worst workflows, unread streams: ms to healthz at most", "value", 100],
  ["worst workflows, a whole list: MiB resident at most", "value", 512],
  ["worst workflows, a whole list: ms to healthz at most", "value", 100],
];

describe("make bench", () => {
  it("measures every work, prints it, and writes it beside its bound to BENCH_OUT", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "bench.json");
    const env = { ...process.env, BENCH_QUICK: "1", BENCH_OUT: file, PEERS: "" };
    const { stdout } = await promisify(execFile)("make", ["bench"], { env });
    const rows = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>[];
    assert.deepEqual(
      rows.map(({ work, limit, ...figure }) => [work, Object.keys(figure), limit]),
      bounds.map(([work, unit, limit]) => [work, [unit], limit]),
    );
    for (const { ratio, value } of rows) assert.ok(Number.isFinite(ratio ?? value));
    for (const [work] of bounds) assert.ok(stdout.includes(work), work);
    assert.match(stdout, new RegExp(`Node ${process.versions.node}`));
  });
});
