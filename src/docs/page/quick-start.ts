import { writeFile } from "node:fs/promises";

const url = "http://127.0.0.1:8080";
const token = process.env.FOLDFORGE_TOKEN;

interface Workflow {
  id: string;
  state: string;
  step_statuses: { outputs: { name: string; href: string; metrics: object }[] }[];
}

async function call(path: string, headers: object = {}, body?: string): Promise<Response> {
  const response = await fetch(url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json", ...headers },
    body: body ?? null,
  });
  if (!response.ok) throw new Error(await response.text());
  return response;
}

// Submit: three backbones, five sequences for each, and a structure for every sequence.
const spec = {
  name: "design-then-fold",
  steps: [
    { id: "design", tool: "rfdiffusion", params: { contigs: "100-100", num_designs: 3 } },
    { id: "seqs", tool: "proteinmpnn", depends_on: ["design"], params: { num_sequences: 5 } },
    { id: "fold", tool: "af2", depends_on: ["seqs"] },
  ],
};
const submitted = await call("/v1/workflows", {}, JSON.stringify(spec));
let workflow = (await submitted.json()) as Workflow;

// Wait: each request returns when the workflow has ended, or after 60 seconds.
while (!["SUCCEEDED", "FAILED", "CANCELLED"].includes(workflow.state)) {
  const read = await call(`/v1/workflows/${workflow.id}`, { Prefer: "wait=60" });
  workflow = (await read.json()) as Workflow;
  console.log(workflow.state);
}

// Download the structures of the last step.
for (const { name, href, metrics } of workflow.step_statuses.at(-1)?.outputs ?? []) {
  const file = await call(href);
  await writeFile(name, await file.bytes());
  console.log(name, metrics);
}
