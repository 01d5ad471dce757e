import assert from "node:assert/strict";
import express from "express";
import type { ErrorRequestHandler, Express } from "express";
import * as OpenApiValidator from "express-openapi-validator";
import { contractFrom, loadContract } from "../../src/contract.ts";
import type { OpenApiDocument, OperationId } from "../../src/contract.ts";
import type { SchemaError } from "../../src/validation/bounded-keywords.ts";
import { withConstraints } from "../../src/validation/constraints.ts";
import { parseQuery } from "../../src/validation/query.ts";
import { createRequestValidators } from "../../src/validation/request-validator.ts";
import { patternMessages, violationsFromSchemaErrors } from "../../src/validation/schema-violations.ts";
import { suite } from "../support/gateway.ts";
import { jsonPost, oneStep, threeSteps } from "../support/samples.ts";
import { serve } from "../support/serve.ts";

const { document, paths } = loadContract();
const operations = paths.flatMap((path) => path.operations);
const operation = (id: OperationId) => operations.find((known) => known.id === id)!;
const requestValidatorOf = createRequestValidators(document);
const validators = new Map(operations.map((each) => [each.id, requestValidatorOf(each)]));
const messages = patternMessages(document);

/** An app with express-openapi-validator's own middleware, which responds with the violations that it finds. */
function libraryApp(): Express {
  const own = withConstraints(document);
  const apiSpec: unknown = {
    ...own,
    paths: Object.fromEntries(Object.entries(own.paths).map(([path, item]) => [withSlashes(path), item])),
  };
  const sendViolations: ErrorRequestHandler = (error: unknown, _req, res, next) => {
    if (!(error instanceof OpenApiValidator.error.BadRequest)) return next(error);
    const errors = error.errors.map(({ path, message, errorCode = "" }): SchemaError => {
      const keyword = errorCode.replace(".openapi.validation", "");
      return { keyword, instancePath: path, message, params: {} };
    });
    // An error of `propertyNames` only states that a key has another error. The bounded keyword leaves it out.
    const own = errors.filter(({ keyword }) => keyword !== "propertyNames");
    res.json(violationsFromSchemaErrors(own, messages, {}));
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
      formats: { int64: true },
    }),
  );
  app.use((_req, res) => void res.json([]));
  app.use(sendViolations);
  return app;
}

/** A path parameter that may contain slashes, in the syntax of express-openapi-validator. */
const withSlashes = (path: string) => path.replace("{key}", "{key}*");

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
    steps({ x: 1, y: 2, params: [] }),
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

const inOneLine = ({ path, message }: { path: string; message: string }) => `${path} ${message}`;

/** The library's messages in the words of the gateway, which come from parameters that the library does not return. */
const reworded = (line: string) =>
  line
    .replace("must be equal to one of the allowed values: ", "must be one of ")
    .replace(/must have required property '\w+'$/, "is required")
    .replace("must not have additional properties", "is not a property of this object");

const withoutSuggestion = (line: string) =>
  line
    .replace(/; (put it in quotes|leave out the quotes|did you mean .*\?|known properties: .*)$/, "")
    .replace(" has a key that ", " ");

describe("createRequestValidators", () => {
  const server = suite(async () => {
    const { url, close } = await serve(libraryApp());
    return { url, close: () => close(0) };
  });

  for (const [id, path, params, init = {}] of requests) {
    it(`returns the violations that express-openapi-validator finds in ${init.method ?? "GET"} ${path} ${JSON.stringify(init.body)}`, async () => {
      const response = await fetch(server().url + path, init);
      assert.equal(response.status, 200);
      const found = validators.get(id)!({
        query: { ...parseQuery(operation(id), path).values },
        headers: Object.fromEntries(new Headers(init.headers)),
        params,
        // The parser's result for an absent body.
        body: typeof init.body === "string" ? JSON.parse(init.body) : {},
      });
      const expected = (await response.json()) as typeof found;
      assert.deepEqual(
        found.map(inOneLine).map(withoutSuggestion).sort(),
        expected.map(inOneLine).map(reworded).sort(),
      );
    });
  }

  it("coerces parameters to the types of the contract, and adds its defaults", () => {
    const query: Record<string, unknown> = { page_size: "7", label: ["a=b"] };
    assert.deepEqual(
      validators.get("listWorkflows")!({ query, headers: {}, params: {}, body: undefined }),
      [],
    );
    assert.deepEqual(query, { page_size: 7, label: ["a=b"], view: "full" });
  });

  it("validates the body only where the operation has one", () => {
    const parts = { query: {}, headers: {}, params: { id: "w1" }, body: { bogus: 1 } };
    assert.deepEqual(validators.get("getWorkflow")!(parts), []);
    assert.notDeepEqual(validators.get("submitWorkflow")!(parts), []);
  });

  it("throws on a schema that does not compile", () => {
    const broken: OpenApiDocument = structuredClone(document);
    Object.assign(broken.components["schemas"]!["StepId"] as object, { "x-constraints": { pattern: "[" } });
    const submit = contractFrom(broken)
      .paths.flatMap((path) => path.operations)
      .find(({ id }) => id === "submitWorkflow");
    assert.throws(() => createRequestValidators(broken)(submit!), /regular expression/i);
  });
});
