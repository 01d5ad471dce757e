import assert from "node:assert/strict";
import express from "express";
import type { ErrorRequestHandler, Express } from "express";
import * as OpenApiValidator from "express-openapi-validator";
import { contractFrom, loadContract } from "../../src/contract.ts";
import type { OpenApiDocument, OperationId } from "../../src/contract.ts";
import { parseQuery } from "../../src/validation/query.ts";
import { createRequestChecks } from "../../src/validation/request-checks.ts";
import type { SchemaError } from "../../src/validation/request-checks.ts";
import { validatorDocument } from "../../src/validation/validator-document.ts";
import { suite } from "../support/gateway.ts";
import { jsonPost, oneStep, threeSteps } from "../support/samples.ts";
import { serve } from "../support/serve.ts";

const { document, paths } = loadContract();
const operations = paths.flatMap((path) => path.operations);
const operation = (id: OperationId) => operations.find((known) => known.id === id)!;
const requestCheckOf = createRequestChecks(document);
const checks = new Map(operations.map((each) => [each.id, requestCheckOf(each)]));

/** An app of express-openapi-validator's own middleware, which answers with the faults that it finds. */
function validatorApp(): Express {
  const own = validatorDocument(document);
  const apiSpec: unknown = {
    ...own,
    paths: Object.fromEntries(Object.entries(own.paths).map(([path, item]) => [withSlashes(path), item])),
  };
  const tellFaults: ErrorRequestHandler = (error: unknown, _req, res, next) => {
    if (!(error instanceof OpenApiValidator.error.BadRequest)) return next(error);
    const places = error.errors.map(({ path, errorCode }) => `${path} ${errorCode?.split(".")[0] ?? ""}`);
    // What only says that a key has another fault is left out by the keywords that take the place of Ajv's.
    res.json(places.filter((place) => !place.endsWith(" propertyNames")));
  };
  const app = express();
  app.enable("strict routing").enable("case sensitive routing").set("query parser", "simple");
  app.use(express.json({ strict: false }));
  app.use(
    OpenApiValidator.middleware({
      apiSpec: apiSpec as Parameters<typeof OpenApiValidator.middleware>[0]["apiSpec"] & object,
      validateApiSpec: false,
      validateSecurity: false,
      fileUploader: false,
      validateRequests: { allErrors: true, allowUnknownQueryParameters: true },
      formats: { uint32: true, uint64: true },
    }),
  );
  app.use((_req, res) => void res.json([]));
  app.use(tellFaults);
  return app;
}

/** A parameter that spans slashes, as express-openapi-validator writes it. */
const withSlashes = (path: string) => path.replace("{key}", "{key}*");

function placeOf({ keyword, instancePath, params }: SchemaError): string {
  const property = params.missingProperty ?? params.additionalProperty;
  return `${instancePath}${property === undefined ? "" : `/${property}`} ${keyword}`;
}

const steps = (step: object) => ({ name: "n", steps: [{ id: "a", tool: "af2", ...step }] });

/** Requests by operation and path parameters. */
const requests: [id: OperationId, path: string, params: Record<string, string>, init?: RequestInit][] = [
  ["submitWorkflow", "/v1/workflows", {}, jsonPost(threeSteps)],
  ["submitWorkflow", "/v1/workflows", {}, jsonPost(oneStep, { "Idempotency-Key": "k" })],
  ["submitWorkflow", "/v1/workflows", {}, jsonPost(oneStep, { "Idempotency-Key": "k".repeat(256) })],
  ...[
    null,
    [],
    1,
    {},
    { ...oneStep, extra: 1 },
    { name: 1, steps: [] },
    steps({ tool: "af3" }),
    steps({ depends_on: ["a", 1] }),
    steps({ resources: { gpu_count: -1, bogus: 1 } }),
    steps({ depends_on: ["b", "a", "c", "a"] }),
    steps({ x: 1, "y/~": 2, params: [] }),
    steps({ tool: "rfdiffusion", params: { num_designs: "3" } }),
    steps({
      tool: "rfdiffusion",
      params: { num_designs: 3, other: [{ a: [] }], hotspot_res: ["A1", 2, {}] },
    }),
    steps({ tool: "proteinmpnn", params: { fixed_positions: ["A1", 2, -1, 0.5, "x".repeat(33), null] } }),
    { ...oneStep, labels: { a: 1, ["k".repeat(300)]: "v" } },
    { ...oneStep, labels: { "a/b~c": 1, "=": "v", "": "v".repeat(300), ok: "v" } },
    { ...oneStep, labels: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, "v"])) },
  ].map((body): [OperationId, string, Record<string, string>, RequestInit] => [
    "submitWorkflow",
    "/v1/workflows",
    {},
    jsonPost(body),
  ]),
  [
    "submitWorkflow",
    "/v1/workflows",
    {},
    { method: "POST", headers: { "Content-Type": "application/json" } },
  ],
  ["listWorkflows", "/v1/workflows", {}],
  ["listWorkflows", "/v1/workflows?page_size=7&state=FAILED&label=a=b&label=c=d", {}],
  ["listWorkflows", "/v1/workflows?page_size=1000&state=x&label=a", {}],
  ["listWorkflows", "/v1/workflows?page_size=ten", {}],
  ["getWorkflow", "/v1/workflows/w1", { id: "w1" }],
  ["getWorkflow", "/v1/workflows/a%20b", { id: "a b" }],
  ["cancelWorkflow", "/v1/workflows/a;b", { id: "a;b" }, { method: "DELETE" }],
  ["retryWorkflow", "/v1/workflows/w1/retry", { id: "w1" }, { method: "POST" }],
  ["streamWorkflowEvents", "/v1/workflows/w1/events", { id: "w1" }, { headers: { "Last-Event-ID": "7" } }],
  ["streamWorkflowEvents", "/v1/workflows/w1/events", { id: "w1" }, { headers: { "Last-Event-ID": "x" } }],
  ["downloadArtifact", "/v1/workflows/w1/artifacts/a/b.pdb", { id: "w1", key: "a/b.pdb" }],
  ["downloadArtifact", "/v1/workflows/w1/artifacts/a%5Cb", { id: "w1", key: "a\\b" }],
  ["healthz", "/v1/healthz", {}],
];

describe("createRequestChecks", () => {
  const server = suite(async () => {
    const { url, close } = await serve(validatorApp());
    return { url, close: () => close(0) };
  });

  for (const [id, path, params, init = {}] of requests) {
    it(`finds what express-openapi-validator's middleware finds in ${init.method ?? "GET"} ${path} ${JSON.stringify(init.body)}`, async () => {
      const answer = await fetch(server().url + path, init);
      assert.equal(answer.status, 200);
      const found = checks.get(id)!({
        query: { ...parseQuery(operation(id), path).values },
        headers: Object.fromEntries(new Headers(init.headers)),
        params,
        // What the parser makes of no body at all.
        body: typeof init.body === "string" ? JSON.parse(init.body) : {},
      });
      assert.deepEqual(found.map(placeOf).sort(), ((await answer.json()) as string[]).sort());
    });
  }

  it("gives parameters the types of the contract", () => {
    const query: Record<string, unknown> = { page_size: "7", label: ["a=b"] };
    assert.deepEqual(checks.get("listWorkflows")!({ query, headers: {}, params: {}, body: undefined }), []);
    assert.deepEqual(query, { page_size: 7, label: ["a=b"] });
  });

  it("keeps the checks of operations apart, whatever a body says of its type", () => {
    const parts = { query: {}, headers: {}, params: { id: "w1" }, body: { bogus: 1 } };
    assert.deepEqual(checks.get("getWorkflow")!(parts), []);
    assert.notDeepEqual(checks.get("submitWorkflow")!(parts), []);
  });

  it("throws on a schema that does not compile", () => {
    const broken: OpenApiDocument = structuredClone(document);
    Object.assign(broken.components["schemas"]!["WorkflowName"] as object, { pattern: "[" });
    const [first] = contractFrom(broken).paths.flatMap((path) => path.operations);
    assert.throws(() => createRequestChecks(broken)(first!), /regular expression/i);
  });
});
