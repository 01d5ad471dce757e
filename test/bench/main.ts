/**
 * `make bench`: measures the gateway, prints each finding beside its bound, and writes all of them to the file
 * that BENCH_OUT names. PEERS=1 measures its peers too. Exits with 1 when a bound that can be kept does not hold, but for a quick run.
 */
import { writeFileSync } from "node:fs";
import { isQuick } from "./amounts.ts";
import { measureDownloads } from "./downloads.ts";
import { measureGrowth } from "./growth.ts";
import { measureLatency } from "./latency.ts";
import { measureLeaks } from "./leaks.ts";
import { measureOverload } from "./overload.ts";
import { measurePeers } from "./peers/measure.ts";
import { startGateway, startProcess, stopShared } from "./processes.ts";
import { findingsJson, findingText, isFailure, machineText } from "./report.ts";
import type { Finding } from "./report.ts";
import { measureResident } from "./resident.ts";
import { measureRequests } from "./requests.ts";
import { measureStart } from "./start.ts";
import { measureStreams } from "./streams.ts";
import { measureWorstWorkflows } from "./worst-workflows.ts";

const findings: Finding[] = [];

function showFinding(finding: Finding): void {
  findings.push(finding);
  console.log(findingText(finding));
}

async function show(measured: Promise<readonly Finding[]>): Promise<void> {
  for (const finding of await measured) showFinding(finding);
}

console.log(machineText());
if (isQuick) console.log("a quick run: it shows that everything works, and its figures mean nothing");
const orchestrator = await startProcess("orchestrator.ts");
const floor = await startProcess("floor.ts", [orchestrator.url]);
const gateway = await startGateway({
  ORCHESTRATOR_ENDPOINT: orchestrator.url,
  API_KEYS_ENABLED: "true",
});
await show(measureRequests({ floor, gateway }));
await show(measureLatency({ floor, gateway }));
await show(measureGrowth(orchestrator));
await show(measureResident(orchestrator));
await Promise.all([orchestrator, floor, gateway].map((server) => server.stop()));
await show(measureDownloads());
await show(measureStreams());
await show(measureStart());
await show(measureOverload());
await show(measureLeaks());
await show(measureWorstWorkflows());
if (process.env["PEERS"] === "1") for await (const finding of measurePeers()) showFinding(finding);
await stopShared();

const file = process.env["BENCH_OUT"];
if (file !== undefined && file !== "") writeFileSync(file, findingsJson(findings));
process.exitCode = isQuick || !findings.some(isFailure) ? 0 : 1;
