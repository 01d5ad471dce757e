import { randomUUID } from "node:crypto";
import { access, constants, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createGatewayClient, dataOf } from "./client.ts";
import type { GatewayClient, Schema } from "./client.ts";
import { downloadArtifact, fileNameFrom } from "./download.ts";
import { Failure } from "./failure.ts";
import { followWorkflow } from "./follow.ts";
import { oneLine } from "./one-line.ts";
import { createProgress } from "./progress.ts";
import type { Screen } from "./progress.ts";
import { bestDesigns, costOf } from "./summary.ts";

/** The gateway, and the folder for downloads. */
export interface DemoSettings {
  readonly url: string;
  readonly apiKey: string;
  readonly downloads: string;
}

/** Three steps: design backbones, then sequences for them, then fold those. */
const designThenFold: Schema["WorkflowSpec"] = {
  name: "design-then-fold",
  labels: { team: "alpha" },
  steps: [
    { id: "design", tool: "rfdiffusion", params: { contigs: "100-100", num_designs: 3 } },
    { id: "seqs", tool: "proteinmpnn", depends_on: ["design"], params: { num_sequences: 5 } },
    { id: "fold", tool: "af2", depends_on: ["seqs"], params: { msa_cache_policy: "USE_CACHE" } },
  ],
};

/** Submits a workflow, follows it to its terminal state, downloads and verifies every artifact, and shows the best. */
export async function runDemo({ url, apiKey, downloads }: DemoSettings, screen: Screen): Promise<void> {
  const client = createGatewayClient(url, apiKey);
  await createFolder(downloads);
  const { id, name, steps } = await submit(client, designThenFold);
  screen.write(`submitted ${name} as ${id}\n`);

  const progress = createProgress(steps, screen);
  const reconnecting = (reason: string) => progress.note(`${reason}; reconnecting`);
  for await (const event of followWorkflow(client, id, reconnecting)) progress.show(event);

  const workflow = dataOf(await client.GET("/v1/workflows/{id}", { params: { path: { id } } }));
  if (workflow.state !== "SUCCEEDED") throw new Failure(failureMessage(workflow));
  const folder = join(downloads, fileNameFrom(id));
  await mkdir(folder, { recursive: true });
  const artifacts = workflow.step_statuses.flatMap(({ outputs }) => outputs);
  for (const artifact of artifacts) await downloadArtifact(client, artifact, folder);
  await writeFile(join(folder, "workflow.json"), `${JSON.stringify(workflow, null, 2)}\n`);

  const best = await bestDesigns(client, workflow);
  const cost = await costOf(client, id);
  const lines = [
    "",
    `verified ${artifacts.length} files in ${folder}`,
    "workflow.json beside them has the workflow, with the metrics of every file",
    "",
    "best designs by pLDDT:",
    ...best.map((line) => `  ${line}`),
    "",
    `cost: ${cost}`,
  ];
  screen.write(lines.map((line) => `${oneLine(line)}\n`).join(""));
}

/** Creates the folder for downloads. Without one, there is no use in running a workflow. */
async function createFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Failure(`cannot write to ${path} (${code}): set FOLDFORGE_DOWNLOADS to a folder of yours`, {
      cause,
    });
  }
}

async function submit(client: GatewayClient, body: Schema["WorkflowSpec"]): Promise<Schema["Workflow"]> {
  // The key makes the request idempotent: a repeated one returns the same workflow.
  const params = { header: { "Idempotency-Key": randomUUID() } };
  const workflow = dataOf(await client.POST("/v1/workflows", { params, body }));
  if (!Object.hasOwn(workflow, "id"))
    throw new Failure("no FoldForge gateway responds: the workflow has no id; set FOLDFORGE_URL");
  return workflow;
}

function failureMessage({ id, state, step_statuses }: Schema["Workflow"]): string {
  const reasons = step_statuses.flatMap(({ step_id, error }) =>
    error === undefined ? [] : [`; step ${step_id}: ${error.code} ${error.message}`],
  );
  return `workflow ${id} is ${state}${reasons.join("")}`;
}
