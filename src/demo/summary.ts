import { dataOf } from "./client.ts";
import type { GatewayClient, Schema } from "./client.ts";
import { Failure } from "./failure.ts";

/** The largest page of the ledger. */
const ledgerLimit = 200;

/** The three files with the best pLDDT, one in a line. */
export async function bestDesigns(client: GatewayClient, workflow: Schema["Workflow"]): Promise<string[]> {
  const params = { path: { id: workflow.id } };
  const body = { metric: "plddt", top_k: 3 };
  const { designs } = dataOf(await client.POST("/v1/workflows/{id}/rank", { params, body }));
  const names = designs.map((design) => nameOf(design, workflow));
  const length = Math.max(0, ...names.map((name) => name.length));
  return designs.map(({ rank, score }, i) => `${rank}. ${names[i]?.padEnd(length)}  ${score?.toFixed(1)}`);
}

/** The name of the file of a design. Orchestrators identify it by its uri or by its SHA-256. */
function nameOf({ id, source_step }: Schema["RankedDesign"], { step_statuses }: Schema["Workflow"]): string {
  const outputs = step_statuses.find(({ step_id }) => step_id === source_step)?.outputs ?? [];
  return outputs.find(({ uri, sha256 }) => id === uri || id === sha256)?.name ?? id;
}

/** What a workflow has cost. */
export async function costOf(client: GatewayClient, workflowId: string): Promise<string> {
  const params = { query: { limit: ledgerLimit } };
  const ledger = await client.GET("/v1/billing/ledger", { params }).catch((error: unknown) => {
    if (error instanceof Failure && error.code === "PERMISSION_DENIED") return undefined;
    throw error;
  });
  if (ledger === undefined) return "nothing: the administrator's token has no credits";
  const { entries } = dataOf(ledger);
  const spent = entries
    .filter(({ workflow_id }) => workflow_id === workflowId)
    .reduce((sum, { delta }) => sum - delta, 0);
  const left = entries[0]?.balance_after ?? 0;
  return `${spent.toLocaleString("en")} credits; ${left.toLocaleString("en")} are left`;
}
