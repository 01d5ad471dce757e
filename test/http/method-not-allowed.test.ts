import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { callsDuring, startStack } from "../support/stack.ts";

/** The methods of each path, and HEAD wherever a GET ends. */
const allowed: Record<string, string[]> = {
  "/v1/workflows": ["GET", "HEAD", "POST"],
  "/v1/workflows/{id}": ["DELETE", "GET", "HEAD"],
  "/v1/workflows/{id}/retry": ["POST"],
  "/v1/workflows/{id}/events": ["GET"],
  "/v1/workflows/{id}/artifacts/{key}": ["GET", "HEAD"],
  "/v1/healthz": ["GET", "HEAD"],
  "/v1/workflows/{id}/rank": ["POST"],
  "/v1/billing/balance": ["GET", "HEAD"],
  "/v1/billing/ledger": ["GET", "HEAD"],
  "/v1/openapi.yaml": ["GET", "HEAD"],
  "/v1/openapi.json": ["GET", "HEAD"],
  "/docs": ["GET", "HEAD"],
  "/docs/{file}": ["GET", "HEAD"],
  "/v1/readyz": ["GET", "HEAD"],
  "/metrics": ["GET", "HEAD"],
};
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"];

describe("what the contract does not have", () => {
  const stack = suite(() => startStack());

  describe("methodNotAllowed", () => {
    it("knows every path of the contract", () => {
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
        it(`answers ${method} ${template} with 405 and Allow, token or not`, async () => {
          const calls = await callsDuring(stack().upstream, async () => {
            const { status, headers, body } = await sendPath(stack().gateway.url, path, { method });
            assert.equal(status, 405);
            assert.deepEqual(headers.allow?.split(", ").sort(), own);
            if (method !== "HEAD")
              assert.equal((JSON.parse(body) as { code: string }).code, "INVALID_ARGUMENT");
          });
          assert.deepEqual(calls, []);
        });
      }
      for (const method of own) {
        it(`takes ${method} for a method of ${template}`, async () => {
          const { status } = await sendPath(stack().gateway.url, path, { method });
          assert.notEqual(status, 405);
          assert.notEqual(status, 404);
        });
      }
    }
  });

  describe("notFound", () => {
    const unknown = [
      "/",
      "/v1",
      "/v1/",
      "/v1/workflow",
      "/v1/workflows/",
      "/V1/workflows",
      "/v1/Workflows",
      "//v1/workflows",
      "/v1//workflows",
      "/v1/workflows/w1/",
      "/v1/workflows/w1/retry/",
      "/v1/workflows/w1/artifacts",
      "/v1/workflows/w1/events/x",
      "/v1/workflows/../workflows",
      "/v2/workflows",
      "/v1/metrics",
      "/healthz",
      "/metrics/",
      "/favicon.ico",
    ];
    for (const path of unknown) {
      it(`answers ${path} with 404, whatever the method`, async () => {
        for (const method of ["GET", "POST", "OPTIONS"]) {
          const { status, body } = await sendPath(stack().gateway.url, path, { method });
          const { trace_id, ...rest } = JSON.parse(body) as Record<string, unknown>;
          assert.equal(status, 404);
          assert.deepEqual(Object.keys(rest), ["code", "message", "retryable"]);
          assert.equal(rest["code"], "NOT_FOUND");
          assert.ok(trace_id);
        }
      });
    }
  });
});
