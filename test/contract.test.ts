import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { load } from "js-yaml";
import { OrchestratorService } from "../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { contractFrom, isSigned, loadContract, withPaths } from "../src/contract.ts";
import type { OpenApiDocument } from "../src/contract.ts";
import { operations } from "./check/contract-facts.ts";

const contract = loadContract();

describe("loadContract", () => {
  it("has exactly the operations that programs rely on, with their paths and security", () => {
    const found = contract.paths.flatMap((path) => path.operations);
    assert.deepEqual(
      Object.fromEntries(
        found.map(({ id, method, template, secured }) => [
          id,
          { route: `${method.toUpperCase()} ${template}`, secured },
        ]),
      ),
      Object.fromEntries(
        Object.entries(operations).map(([id, { route, secured }]) => [id, { route, secured }]),
      ),
    );
  });

  it("allows HEAD wherever GET is, except on the event stream", () => {
    const allowed = Object.fromEntries(
      contract.paths.map((path) => [path.template, path.allowed.join(", ")]),
    );
    assert.deepEqual(allowed, {
      "/v1/workflows": "GET, POST, HEAD",
      "/v1/workflows/validate": "POST",
      "/v1/workflows/{id}": "GET, DELETE, HEAD",
      "/v1/workflows/{id}/retry": "POST",
      "/v1/workflows/{id}/rank": "POST",
      "/v1/workflows/{id}/events": "GET",
      "/v1/workflows/{id}/artifacts": "GET, HEAD",
      "/v1/workflows/{id}/artifacts/{key}": "GET, HEAD",
      "/v1/billing/balance": "GET, HEAD",
      "/v1/billing/ledger": "GET, HEAD",
      "/v1/billing/checkout": "POST",
      "/v1/billing/webhook": "POST",
      "/v1/openapi.yaml": "GET, HEAD",
      "/v1/openapi.json": "GET, HEAD",
      "/docs": "GET, HEAD",
      "/docs/{file}": "GET, HEAD",
      "/v1/healthz": "GET, HEAD",
      "/v1/readyz": "GET, HEAD",
      "/metrics": "GET, HEAD",
    });
  });

  it("splits templates into segments, and marks the parameter that takes the rest of the path", () => {
    const { segments } = contract.paths.find(({ template }) => template.endsWith("/artifacts/{key}"))!;
    assert.deepEqual(segments, [
      { kind: "literal", text: "v1" },
      { kind: "literal", text: "workflows" },
      { kind: "parameter", name: "id" },
      { kind: "literal", text: "artifacts" },
      { kind: "rest", name: "key" },
    ]);
  });

  it("has a request body for submission, validation, ranking, checkout and webhook only", () => {
    const withBody = contract.paths.flatMap(({ operations }) =>
      operations.filter(({ requestBody }) => requestBody),
    );
    assert.deepEqual(
      withBody.map(({ id }) => id),
      ["submitWorkflow", "validateWorkflow", "rankDesigns", "createCheckout", "stripeWebhook"],
    );
    assert.deepEqual(
      withBody.filter(isSigned).map(({ id }) => id),
      ["stripeWebhook"],
    );
  });

  it("marks every GET, validation and ranking as safe", () => {
    const safe = contract.paths.flatMap(({ operations }) => operations.filter(({ isSafe }) => isSafe));
    const names = safe.filter(({ method }) => method !== "get").map(({ id }) => id);
    assert.deepEqual(names, ["validateWorkflow", "rankDesigns"]);
    assert.ok(safe.some(({ id }) => id === "getWorkflow"));
  });

  it("marks exactly the operations as safe whose RPC has no side effects", () => {
    const { method: rpcs } = OrchestratorService;
    const operations = contract.paths.flatMap((path) => path.operations);
    const named = operations.filter(({ id }) => id in rpcs);
    assert.equal(named.length, 9);
    for (const { id, isSafe } of named) {
      const { idempotency } = rpcs[id as keyof typeof rpcs];
      assert.equal(isSafe, idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS, id);
    }
  });

  it("has a 304 for these operations", () => {
    const { document } = contract;
    const conditional = contract.paths.flatMap(({ template, operations }) =>
      operations
        .filter(({ method }) => document.paths[template]?.[method]?.responses["304"] !== undefined)
        .map(({ id }) => id),
    );
    assert.deepEqual(conditional.sort(), [
      "downloadArtifact",
      "getDocs",
      "getDocsFile",
      "getOpenapiJson",
      "getOpenapiYaml",
      "getWorkflow",
      "listArtifacts",
    ]);
  });

  it("keeps the source of the document", () => {
    assert.equal(contract.source, readFileSync("openapi/gateway.v1.yaml", "utf8"));
  });

  it("resolves the parameters of a path and of an operation", () => {
    const operations = contract.paths.flatMap((path) => path.operations);
    const namesOf = (id: string) =>
      operations.find((operation) => operation.id === id)?.parameters.map((p) => `${p.in} ${p.name}`);
    assert.deepEqual(namesOf("listWorkflows"), [
      "query page_size",
      "query page_token",
      "query state",
      "query label",
      "query view",
    ]);
    assert.deepEqual(namesOf("streamWorkflowEvents"), [
      "path id",
      "header Last-Event-ID",
      "query lastEventId",
    ]);
    assert.deepEqual(namesOf("submitWorkflow"), ["header Idempotency-Key"]);
  });

  it("throws when the file is missing", () => {
    assert.throws(() => loadContract(new URL("no-such.yaml", import.meta.url)), { code: "ENOENT" });
  });
});

describe("contractFrom", () => {
  it("throws for a reference to a missing parameter", () => {
    const document: OpenApiDocument = {
      openapi: "3.1.0",
      info: { title: "", version: "" },
      paths: {
        "/x": {
          get: { operationId: "healthz", parameters: [{ $ref: "#/components/parameters/X" }], responses: {} },
        },
      },
      components: { parameters: {} },
    };
    assert.throws(() => contractFrom(document), /#\/components\/parameters\/X/);
  });

  it("throws for a parameter that takes the rest of the path before the last segment", () => {
    const document: OpenApiDocument = {
      openapi: "3.1.0",
      info: { title: "", version: "" },
      paths: {
        "/{x}/y": { parameters: [{ name: "x", in: "path", "x-multi-segment": true, schema: {} }] },
      },
      components: { parameters: {} },
    };
    assert.throws(() => contractFrom(document), /x-multi-segment/);
  });
});

describe("withPaths", () => {
  for (const { template } of contract.paths)
    it(`omits ${template} from document and source, and keeps the comments`, () => {
      const { source, document, paths } = withPaths(contract, (path) => path.template !== template);
      assert.deepEqual(
        paths.map((path) => path.template),
        contract.paths.map((path) => path.template).filter((other) => other !== template),
      );
      assert.deepEqual(load(source), document);
      const [before = "", after = ""] = contract.source.split(`\n  ${template}:\n`);
      const [, rest = ""] = /^(?: {3}.*\n|\n)*([^]*)/.exec(after) ?? [];
      assert.equal(source, `${before}\n${rest}`);
    });

  it("omits paths from a contract without a source of its own", () => {
    const { source, document } = withPaths(contractFrom(contract.document), ({ isStream }) => isStream);
    assert.equal(Object.keys(document.paths).length, 1);
    assert.deepEqual(load(source), document);
  });

  it("throws if the source has its paths in another style", () => {
    const { document } = contract;
    for (const source of [JSON.stringify(document), JSON.stringify(document, null, 2), ""])
      assert.throws(() => withPaths(contractFrom(document, source), () => false), /block style/);
  });
});
