/**
 * Writes to stdout the milliseconds of CPU that large work takes without a pause: to write a page of the deepest
 * workflows, and to read submissions. The arguments are the size of the page, the number of submissions, and their part
 * of the largest submission. It is a process of its own, since coverage makes this work ten times as long.
 */
import { JsonWriter } from "../../src/mapping/json-writer.ts";
import { WireReader } from "../../src/mapping/wire-reader.ts";
import { createTranscoders } from "../../src/mapping/workflow.ts";
import { encodedPage, encodedSpec, encodedWorkflow, worstBody } from "../support/worst-workflows.ts";

const [pageSize = 0, submissions = 0, share = 0] = process.argv.slice(2).map(Number);

function cpuMs(act: () => void): number {
  const before = process.threadCpuUsage();
  act();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

const { workflowList } = createTranscoders("foldforge").full;
const deepest = encodedWorkflow(encodedSpec(worstBody("deep")), {});
const page = encodedPage(Array<Uint8Array>(pageSize).fill(deepest), "");
function writePage(): void {
  workflowList.write(new WireReader(page), page.length, new JsonWriter());
}

const body = worstBody("deep", share);

process.stdout.write(
  JSON.stringify({
    pageMs: Math.min(...Array.from({ length: 3 }, () => cpuMs(writePage))),
    submissionsMs: cpuMs(() => {
      for (let index = 0; index < submissions; index += 1) encodedSpec(body);
    }),
  }),
);
