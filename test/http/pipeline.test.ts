import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { createFindClient } from "../../src/http/client.ts";
import { createPipeline } from "../../src/http/pipeline.ts";
import type { PipelineOptions } from "../../src/http/pipeline.ts";
import { contractFrom, loadContract } from "../../src/contract.ts";
import type { Contract, Handler, OpenApiDocument, OperationId } from "../../src/contract.ts";
import type { Operations } from "../../src/operations.ts";
import { TaskQueue } from "../../src/load-shedding/task-queue.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createRequestValidators } from "../../src/validation/request-validator.ts";
import { oneStep } from "../support/samples.ts";
import { serve } from "../support/serve.ts";

/** Handlers that note which of them was called. */
function recordedOperations(called: string[]): Operations {
  const record =
    <Op extends OperationId>(id: Op): Handler<Op> =>
    (_req, res) => {
      called.push(id);
      res.end();
    };
  return {
    validateWorkflow: record("validateWorkflow"),
    submitWorkflow: record("submitWorkflow"),
    listWorkflows: record("listWorkflows"),
    getWorkflow: record("getWorkflow"),
    cancelWorkflow: record("cancelWorkflow"),
    retryWorkflow: record("retryWorkflow"),
    rankDesigns: record("rankDesigns"),
    streamWorkflowEvents: record("streamWorkflowEvents"),
    listArtifacts: record("listArtifacts"),
    downloadArtifact: record("downloadArtifact"),
    getBalance: record("getBalance"),
    listLedger: record("listLedger"),
    createCheckout: record("createCheckout"),
    stripeWebhook: record("stripeWebhook"),
    getOpenapiYaml: record("getOpenapiYaml"),
    getOpenapiJson: record("getOpenapiJson"),
    getDocs: record("getDocs"),
    getDocsFile: record("getDocsFile"),
    healthz: record("healthz"),
    readyz: record("readyz"),
    metrics: record("metrics"),
  };
}

function createTestApp(
  contract: Contract,
  operations = recordedOperations([]),
  shed?: PipelineOptions["shed"],
) {
  const { listener } = createPipeline({
    findClient: createFindClient([]),
    startSpan: undefined,
    contract,
    validatorOf: createRequestValidators(contract.document),
    operations,
    authenticator: {
      authenticate: () => Promise.resolve({ kind: "admin", token: "current" }),
      revalidationOf: () => undefined,
      invalidate: () => undefined,
    },
    shed,
    allowedOrigins: undefined,
    logger: createLogger({ write: () => undefined }),
    metrics: createMetrics(),
    rpcTimeoutMs: 1000,
    maxBodyBytes: 1024 * 1024,
    largeBodies: { acquire: () => Promise.resolve(), acquireParser: () => Promise.resolve(() => undefined) },
    tasks: new TaskQueue(),
  });
  return listener;
}

/** The contract with one thing broken. */
function brokenContract(breakIt: (document: OpenApiDocument) => void): Contract {
  const { document } = loadContract();
  breakIt(document);
  return contractFrom(document);
}

describe("createPipeline", () => {
  const routes: [method: string, path: string, id: OperationId][] = [
    ["POST", "/v1/workflows", "submitWorkflow"],
    ["POST", "/v1/workflows/validate", "validateWorkflow"],
    ["GET", "/v1/workflows", "listWorkflows"],
    ["GET", "/v1/workflows/w1", "getWorkflow"],
    ["DELETE", "/v1/workflows/w1", "cancelWorkflow"],
    ["POST", "/v1/workflows/w1/retry", "retryWorkflow"],
    ["POST", "/v1/workflows/w1/rank", "rankDesigns"],
    ["GET", "/v1/workflows/w1/events", "streamWorkflowEvents"],
    ["GET", "/v1/workflows/w1/artifacts", "listArtifacts"],
    ["GET", "/v1/workflows/w1/artifacts/a/b/c.pdb", "downloadArtifact"],
    ["GET", "/v1/workflows/events", "getWorkflow"],
    ["GET", "/v1/billing/balance", "getBalance"],
    ["GET", "/v1/billing/ledger", "listLedger"],
    ["POST", "/v1/billing/checkout", "createCheckout"],
    ["POST", "/v1/billing/webhook", "stripeWebhook"],
    ["GET", "/v1/openapi.yaml", "getOpenapiYaml"],
    ["GET", "/v1/openapi.json", "getOpenapiJson"],
    ["GET", "/docs", "getDocs"],
    ["GET", "/docs/page.css", "getDocsFile"],
    ["GET", "/v1/healthz", "healthz"],
    ["GET", "/v1/readyz", "readyz"],
    ["GET", "/metrics", "metrics"],
  ];

  it("throws the error of a stage before Express, so that nobody waits for a response", () => {
    const error = new Error("broken stage");
    const app = createTestApp(loadContract(), recordedOperations([]), () => {
      throw error;
    });
    const req = Object.assign(new IncomingMessage(new Socket()), { method: "GET", url: "/v1/workflows" });
    assert.throws(() => app(req, new ServerResponse(req)), error);
  });

  it("runs the handler of each operation", async () => {
    const called: string[] = [];
    const app = createTestApp(loadContract(), recordedOperations(called));
    const server = await serve(app);
    for (const [method, path, id] of routes) {
      const bodies = new Map<string, object>([
        ["rankDesigns", { metric: "plddt" }],
        ["createCheckout", { credits: 1, success_url: "https://a", cancel_url: "https://a" }],
      ]);
      const body = method === "POST" ? JSON.stringify(bodies.get(id) ?? oneStep) : null;
      const response = await fetch(server.url + path, {
        method,
        body,
        headers: { "Content-Type": "application/json", "Stripe-Signature": "t=1,v1=0" },
      });
      assert.equal(response.status, 200, path);
    }
    await server.close(1000);
    assert.deepEqual(
      called,
      routes.map(([, , id]) => id),
    );
    assert.deepEqual([...new Set(called)].sort(), Object.keys(recordedOperations([])).sort());
  });

  const breaks: [what: string, breakIt: (document: OpenApiDocument) => void][] = [
    [
      "a pattern that is no regular expression",
      ({ components }) => Object.assign(components["schemas"]!["WorkflowName"] as object, { pattern: "[" }),
    ],
    [
      "a reference in a schema that leads nowhere",
      ({ components }) =>
        Object.assign(components["schemas"]!["Steps"] as object, {
          items: { $ref: "#/components/schemas/Nope" },
        }),
    ],
    [
      "a reference of a parameter that leads nowhere",
      ({ paths }) => {
        paths["/v1/workflows/{id}"]!.parameters = [{ $ref: "#/components/parameters/Nope" }];
      },
    ],
    [
      "a type that JSON schema does not know",
      ({ components }) => Object.assign(components["schemas"]!["WorkflowName"] as object, { type: "text" }),
    ],
    [
      "a broken pattern of a path parameter",
      ({ components }) => Object.assign(components["schemas"]!["WorkflowId"] as object, { pattern: "(" }),
    ],
    [
      "a broken pattern of a query parameter",
      ({ paths }) => {
        const token = paths["/v1/workflows"]!.get!.parameters!.find(
          (parameter) => "name" in parameter && parameter.name === "page_token",
        );
        assert.ok(token !== undefined && "schema" in token);
        Object.assign(token.schema, { pattern: "(" });
      },
    ],
  ];
  for (const [what, breakIt] of breaks) {
    it(`throws for a contract with ${what}`, () => {
      assert.throws(() => createTestApp(brokenContract(breakIt)));
    });
  }
});
