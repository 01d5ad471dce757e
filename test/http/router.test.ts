import assert from "node:assert/strict";
import { contractFrom, loadContract } from "../../src/contract.ts";
import type { OpenApiDocument } from "../../src/contract.ts";
import { createRouter } from "../../src/http/router.ts";
import { suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const templates = [
  "/things",
  "/things/{id}",
  "/things/search",
  "/things/{id}/parts",
  "/things/{id}/parts/{part}",
  "/things/{id}/files/{key}",
  "/other/{id}/last",
];

/** A contract of these templates, in which `key` takes the rest of the path. */
function contractOf(paths: readonly string[]) {
  const key = { name: "key", in: "path", "x-multi-segment": true, schema: {} } as const;
  const get = { operationId: "getWorkflow", responses: {} } as const;
  const document: OpenApiDocument = {
    openapi: "3.1.0",
    info: { title: "", version: "" },
    paths: Object.fromEntries(paths.map((path) => [path, { parameters: [key], get }])),
    components: { parameters: {} },
  };
  return contractFrom(document);
}

describe("createRouter", () => {
  const match = createRouter(contractOf(templates).paths);

  for (const [target, template, params] of [
    ["/things", "/things", {}],
    ["/things?a=/things/search", "/things", {}],
    ["/things#a", "/things", {}],
    ["/things/7", "/things/{id}", { id: "7" }],
    ["/things/search", "/things/search", {}],
    ["/things/search/parts", "/things/{id}/parts", { id: "search" }],
    ["/things/7/parts", "/things/{id}/parts", { id: "7" }],
    ["/things/7/parts/8?x", "/things/{id}/parts/{part}", { id: "7", part: "8" }],
    ["/things/a%2Fb%2565", "/things/{id}", { id: "a/b%65" }],
    ["/things/7/files/a", "/things/{id}/files/{key}", { id: "7", key: "a" }],
    ["/things/7/files/a/b/c", "/things/{id}/files/{key}", { id: "7", key: "a/b/c" }],
    ["/things/7/files/a%2Fb/c%20d", "/things/{id}/files/{key}", { id: "7", key: "a/b/c d" }],
    ["/things/7/files//a/", "/things/{id}/files/{key}", { id: "7", key: "/a/" }],
    ["/other/7/last", "/other/{id}/last", { id: "7" }],
    ["/things/%zz", "/things/{id}", undefined],
    ["/things/%ff", "/things/{id}", undefined],
  ] as const)
    it(`matches ${target} with ${template}, parameters ${JSON.stringify(params)}`, () => {
      const found = match("GET", target);
      assert.equal(found?.path.template, template);
      assert.deepEqual(found.params, params);
    });

  for (const target of [
    "/",
    "*",
    "",
    "/thing",
    "/Things",
    "/%74hings",
    "/things/",
    "/things//parts",
    "/things/7/parts/8/9",
    "/things/7/files",
    "/things/7/files/",
    "/other",
    "/other/7",
    "/other/7/last/",
    "//things",
    `/${"/".repeat(8000)}`,
  ])
    it(`does not match ${target.slice(0, 40)}`, () => {
      assert.equal(match("GET", target), undefined);
    });

  it("finds the operation of a method; HEAD is that of GET, except for event streams", () => {
    const match = createRouter(loadContract().paths);
    const idOf = (method: string, path: string) => match(method, path)?.operation?.id;
    assert.equal(idOf("POST", "/v1/workflows"), "submitWorkflow");
    assert.equal(idOf("GET", "/v1/workflows"), "listWorkflows");
    assert.equal(idOf("HEAD", "/v1/workflows"), "listWorkflows");
    assert.equal(idOf("PUT", "/v1/workflows"), undefined);
    assert.equal(idOf("GET", "/v1/workflows/w1/events"), "streamWorkflowEvents");
    assert.equal(idOf("HEAD", "/v1/workflows/w1/events"), undefined);
  });
});

/** The methods of each path, and HEAD wherever GET is, except for event streams. */
const allowed: Record<string, string[]> = {
  "/v1/workflows": ["GET", "HEAD", "POST"],
  "/v1/workflows/validate": ["POST"],
  "/v1/workflows/{id}": ["DELETE", "GET", "HEAD"],
  "/v1/workflows/{id}/retry": ["POST"],
  "/v1/workflows/{id}/events": ["GET"],
  "/v1/workflows/{id}/artifacts": ["GET", "HEAD"],
  "/v1/workflows/{id}/artifacts/{key}": ["GET", "HEAD"],
  "/v1/healthz": ["GET", "HEAD"],
  "/v1/workflows/{id}/rank": ["POST"],
  "/v1/billing/balance": ["GET", "HEAD"],
  "/v1/billing/ledger": ["GET", "HEAD"],
  "/v1/billing/checkout": ["POST"],
  "/v1/billing/webhook": ["POST"],
  "/v1/openapi.yaml": ["GET", "HEAD"],
  "/v1/openapi.json": ["GET", "HEAD"],
  "/docs": ["GET", "HEAD"],
  "/docs/{file}": ["GET", "HEAD"],
  "/v1/readyz": ["GET", "HEAD"],
  "/metrics": ["GET", "HEAD"],
};
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"];

describe("methodNotAllowed", () => {
  const stack = suite(() => startStack());

  it("has every path of the contract in this table", () => {
    assert.deepEqual(
      Object.keys(allowed).sort(),
      loadContract()
        .paths.map(({ template }) => template)
        .sort(),
    );
  });

  for (const [template, own] of Object.entries(allowed)) {
    const path = template.replace("{id}", "w1").replace("{key}", "a/b.pdb").replace("{file}", "page.css");
    for (const method of methods.filter((other) => !own.includes(other))) {
      it(`responds with 405 with Allow to ${method} ${template} without a token`, async () => {
        const calls = await callsDuring(stack().upstream, async () => {
          const { status, headers, body } = await sendPath(stack().gateway.url, path, { method });
          assert.equal(status, 405);
          assert.deepEqual(headers.allow?.split(", ").sort(), own);
          if (method === "HEAD") return;
          const { code, message } = JSON.parse(body) as { code: string; message: string };
          assert.equal(code, "INVALID_ARGUMENT");
          assert.equal(message, `this path does not allow ${method}; it allows ${headers.allow}`);
        });
        assert.deepEqual(calls, []);
      });
    }
    for (const method of own) {
      it(`lets ${method} ${template} pass`, async () => {
        const { status } = await sendPath(stack().gateway.url, path, { method });
        assert.notEqual(status, 405);
        assert.notEqual(status, 404);
      });
    }
  }
});

describe("notFound", () => {
  const stack = suite(() => startStack());

  for (const [path, nearest] of [
    ["//", undefined],
    ["/v1", undefined],
    ["/v1/workflows/w1/cancel", undefined],
    ["/v1/workflow?page_size=5", "/v1/workflows"],
    ["/v1/workflows/", "/v1/workflows"],
    ["/V1/workflows", "/v1/workflows"],
    ["//v1/workflows", "/v1/workflows"],
    ["/v1/workflows/<script>/", "/v1/workflows/{id}"],
    ["/metrics/", "/metrics"],
    [`/v1/workflows/${"x".repeat(8000)}/${"y".repeat(60)}`, undefined],
    ["/favicon.ico", undefined],
  ] as const) {
    const hint = nearest === undefined ? "GET /v1/openapi.yaml lists all paths" : `did you mean ${nearest}?`;
    const message = `no such path; ${hint}`;
    it(`responds with 404 to every method of ${path.slice(0, 40)}: ${message}`, async () => {
      for (const method of ["GET", "POST", "OPTIONS"]) {
        const { status, body } = await sendPath(stack().gateway.url, path, { method });
        const { trace_id, ...rest } = JSON.parse(body) as Record<string, unknown>;
        assert.equal(status, 404);
        assert.deepEqual(Object.keys(rest), ["code", "message", "retryable"]);
        assert.equal(rest["code"], "NOT_FOUND");
        assert.equal(rest["message"], message);
        assert.ok(trace_id);
      }
    });
  }
});
