import { isDeepStrictEqual } from "node:util";
import { arrayOr, objectOr } from "./openapi-document.ts";
import type { JsonObject } from "./openapi-document.ts";
import { operationsOf } from "./operation-changes.ts";
import type { Operation } from "./operation-changes.ts";

interface OperationFacts {
  /** Method and path. The path is also a label of the metrics. */
  readonly route: string;
  /** Whether it requires a token. */
  readonly secured: boolean;
  /** The statuses of success, 2xx. */
  readonly success: readonly string[];
}

/** What programs rely on of each operation, by operationId. It holds with no main branch to compare with, too. */
export const operations: Readonly<Record<string, OperationFacts>> = {
  submitWorkflow: { route: "POST /v1/workflows", secured: true, success: ["201"] },
  listWorkflows: { route: "GET /v1/workflows", secured: true, success: ["200"] },
  validateWorkflow: { route: "POST /v1/workflows/validate", secured: true, success: ["200"] },
  getWorkflow: { route: "GET /v1/workflows/{id}", secured: true, success: ["200"] },
  cancelWorkflow: { route: "DELETE /v1/workflows/{id}", secured: true, success: ["200"] },
  retryWorkflow: { route: "POST /v1/workflows/{id}/retry", secured: true, success: ["200"] },
  rankDesigns: { route: "POST /v1/workflows/{id}/rank", secured: true, success: ["200"] },
  streamWorkflowEvents: { route: "GET /v1/workflows/{id}/events", secured: true, success: ["200", "204"] },
  listArtifacts: { route: "GET /v1/workflows/{id}/artifacts", secured: true, success: ["200"] },
  downloadArtifact: {
    route: "GET /v1/workflows/{id}/artifacts/{key}",
    secured: true,
    success: ["200", "206"],
  },
  getBalance: { route: "GET /v1/billing/balance", secured: true, success: ["200"] },
  listLedger: { route: "GET /v1/billing/ledger", secured: true, success: ["200"] },
  createCheckout: { route: "POST /v1/billing/checkout", secured: true, success: ["200"] },
  stripeWebhook: { route: "POST /v1/billing/webhook", secured: false, success: ["200"] },
  getOpenapiYaml: { route: "GET /v1/openapi.yaml", secured: false, success: ["200"] },
  getOpenapiJson: { route: "GET /v1/openapi.json", secured: false, success: ["200"] },
  getDocs: { route: "GET /docs", secured: false, success: ["200"] },
  getDocsFile: { route: "GET /docs/{file}", secured: false, success: ["200"] },
  healthz: { route: "GET /v1/healthz", secured: false, success: ["200"] },
  readyz: { route: "GET /v1/readyz", secured: false, success: ["200"] },
  metrics: { route: "GET /metrics", secured: false, success: ["200"] },
};

/** The schemas for which existing clients have a type of this name. */
const schemas = [
  "WorkflowSpec",
  "Workflow",
  "Step",
  "Tool",
  "JobState",
  "ResourceSpec",
  "Artifact",
  "StepStatus",
  "WorkflowEvent",
  "Error",
  "RankRequest",
  "RankResponse",
  "Balance",
  "LedgerEntry",
  "CheckoutRequest",
];

/** The security of an operation that requires a token. Generated clients have the name of the scheme. */
const bearer = [{ bearerAuth: [] }];

/** The differences between an OpenAPI document and the facts above, one line each. */
export function factDrift(document: JsonObject): string[] {
  const found = new Map(operationsOf(document).map((operation) => [operation.id, operation]));
  const named = objectOr(objectOr(document["components"])["schemas"]);
  return [
    ...Object.entries(operations).flatMap(([id, facts]) => {
      const operation = found.get(id);
      return operation === undefined
        ? [`no operation is ${id}, ${facts.route}`]
        : operationDrift(document, operation, facts);
    }),
    ...[...found.values()]
      .filter(({ id }) => !(id in operations))
      .map(({ id, route }) => `${id}, ${route}, is not listed in test/check/contract-facts.ts`),
    ...schemas.filter((name) => !(name in named)).map((name) => `no schema is ${name}`),
  ];
}

function operationDrift(
  document: JsonObject,
  { id, route, value }: Operation,
  facts: OperationFacts,
): string[] {
  const { security = document["security"], responses } = value;
  const statuses = Object.keys(objectOr(responses)).filter((status) => status.startsWith("2"));
  const drift: string[] = [];
  if (route !== facts.route) drift.push(`${id} is ${route} instead of ${facts.route}`);
  if (!isDeepStrictEqual(arrayOr(security), facts.secured ? bearer : []))
    drift.push(`${id} requires ${facts.secured ? "no token by bearerAuth" : "a token"}`);
  if (!isDeepStrictEqual(statuses, facts.success))
    drift.push(`${id} succeeds with ${statuses.join(", ")} instead of ${facts.success.join(", ")}`);
  return drift;
}
