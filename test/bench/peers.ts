/** The part of `make bench PEERS=1` that compares the gateway with its peers, alone. */
import { isQuick } from "./amounts.ts";
import { measurePeers } from "./peers/measure.ts";
import { stopShared } from "./processes.ts";
import { findingText, isFailure, machineText } from "./report.ts";

console.log(machineText());
let hasFailed = false;
for await (const finding of measurePeers()) {
  hasFailed ||= isFailure(finding);
  console.log(findingText(finding));
}
await stopShared();
process.exitCode = hasFailed && !isQuick ? 1 : 0;
