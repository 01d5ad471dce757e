import assert from "node:assert/strict";
import { brotliCompressSync } from "node:zlib";
import { runningJson } from "../support/samples.ts";
import type { WireResponse } from "./response-reader.ts";
import { createSchemaCheck } from "./conformance.ts";
import { readContract } from "./contract.ts";
import { createResponseCheck } from "./oracle.ts";
import type { Case } from "./oracle.ts";

const contract = readContract();
const checkResponse = createResponseCheck(contract, createSchemaCheck(contract));

function testCase(method: string, target: string, more: Partial<Case> = {}): Case {
  return { request: { method, target, version: "HTTP/1.1", headers: [] }, mayViolateHttp: false, ...more };
}

function response(status: number, body: unknown, headers: Record<string, string> = {}): WireResponse {
  const all = { "content-type": "application/json; charset=utf-8", ...headers };
  return {
    status,
    headers: new Map(Object.entries(all)),
    body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
    isLast: false,
  };
}

const error = (code: string) => ({ code, message: "why", retryable: false });
const health = { status: "ok", version: "1" };
const healthz = testCase("GET", "/v1/healthz");
const workflow = testCase("GET", "/v1/workflows/w1");

const inBrotli: Case = {
  request: { ...healthz.request, headers: [["Accept-Encoding", "br"]] },
  mayViolateHttp: false,
};
const compressed = (body: object, bytes = brotliCompressSync(JSON.stringify(body))): WireResponse => ({
  ...response(200, "", { "content-encoding": "br" }),
  body: bytes,
});

const spec = { name: "n", steps: [{ id: "a", tool: "af2", params: { x: 1 } }] };
const submission: Case = {
  request: { ...testCase("POST", "/v1/workflows").request, body: Buffer.from(JSON.stringify(spec)) },
  mayViolateHttp: false,
};
const submitted = (step: object) =>
  response(201, { ...runningJson, ...spec, steps: [step], labels: {} }, { location: "/v1/workflows/w1" });
const returned = { id: "a", tool: "af2", depends_on: [], params: { x: 1 } };

const twoSteps = {
  name: "n",
  steps: [
    { id: "a", tool: "af2", depends_on: ["b"] },
    { id: "b", tool: "af2" },
  ],
};
const plannedSubmission: Case = {
  request: {
    ...testCase("POST", "/v1/workflows/validate").request,
    body: Buffer.from(JSON.stringify(twoSteps)),
  },
  mayViolateHttp: false,
};
const planned = (...order: string[]) => {
  const steps = order.map((id) => ({ id, tool: "af2", depends_on: [], level: 0 }));
  return response(200, { name: "n", steps, order, levels: [order] });
};

describe("createResponseCheck", () => {
  for (const [what, request, received] of [
    ["a declared response", healthz, response(200, health)],
    ["an error of the contract", workflow, response(404, error("NOT_FOUND"))],
    ["a response in an accepted coding", inBrotli, compressed(health)],
    [
      "HEAD of such a response",
      testCase("HEAD", "/v1/healthz", { request: { ...inBrotli.request, method: "HEAD" } }),
      compressed(health, Buffer.alloc(0)),
    ],
    ["HEAD instead of GET", testCase("HEAD", "/v1/healthz"), response(200, "")],
    [
      "an absolute target",
      testCase("GET", "http://gateway/v1/healthz?a"),
      response(400, error("INVALID_ARGUMENT")),
    ],
    ["a submission that is returned unchanged", submission, submitted(returned)],
    ["the plan of a submission", plannedSubmission, planned("b", "a")],
    [
      "412 where a condition is declared",
      testCase("DELETE", "/v1/workflows/w1"),
      response(412, error("FAILED_PRECONDITION")),
    ],
    [
      "a redirect to the documentation",
      testCase("HEAD", "http://x?a"),
      response(302, "", { location: "docs" }),
    ],
    ["404 for an unknown path", testCase("GET", "/v2"), response(404, error("NOT_FOUND"))],
    [
      "405 for an unknown method",
      testCase("PUT", "/v1/workflows"),
      response(405, error("INVALID_ARGUMENT"), { allow: "GET, POST, HEAD" }),
    ],
    [
      "a rejection as invalid HTTP",
      testCase("get", "/v2", { mayViolateHttp: true }),
      response(400, error("INVALID_ARGUMENT")),
    ],
  ] as const) {
    it(`accepts ${what}`, () => assert.deepEqual(checkResponse(request, received), []));
  }

  for (const [what, request, received, violation] of [
    ["a failure, even if it is declared", healthz, response(500, error("INTERNAL")), /status is 500/],
    [
      "412 where no condition is declared",
      testCase("GET", "/v1/workflows"),
      response(412, error("ABORTED")),
      /status is 412/,
    ],
    ["a status that is not declared", healthz, response(404, error("NOT_FOUND")), /status is 404/],
    [
      "HEAD of an event stream",
      testCase("HEAD", "/v1/workflows/w1/events"),
      response(200, ""),
      /status is 200/,
    ],
    ["an unexpected status", { ...workflow, statuses: [400] }, response(404, error("NOT_FOUND")), /404/],
    [
      "400 for a valid request to an unknown path",
      testCase("GET", "/v2"),
      response(400, error("INVALID_ARGUMENT")),
      /400/,
    ],
    [
      "a coding that the client has not accepted",
      healthz,
      compressed(health),
      /has not accepted the coding br/,
    ],
    [
      "a body that is not in its coding",
      inBrotli,
      compressed(health, Buffer.from("{}")),
      /ERR_|Decompression/,
    ],
    ["another shape in a coding", inBrotli, compressed({ ...health, more: 1 }), /additional properties/],
    [
      "200 for a path that resembles a known path",
      testCase("GET", "/v1/openapi-yaml"),
      response(200, ""),
      /not 404/,
    ],
    ["a body that is not JSON", healthz, response(200, "ok"), /not JSON/],
    ["a body of another shape", healthz, response(200, { ...health, more: 1 }), /additional properties/],
    ["an error of another shape", workflow, response(404, { error: "no" }), /required property 'code'/],
    ["another redirect", testCase("GET", "/docs/"), response(302, "", { location: "//x" }), /location/],
    ["no redirect of a write", testCase("POST", "/"), response(302, "", { location: "docs" }), /not 404/],
    ["another type", workflow, response(404, "no", { "content-type": "text/html" }), /type is text\/html/],
    ["a submission that is returned changed", submission, submitted({ ...returned, params: {} }), /differs/],
    ["a plan that lacks a step", plannedSubmission, planned("b"), /plan does not match/],
    ["a plan in the wrong order", plannedSubmission, planned("a", "b"), /plan does not match/],
    ["401 without a challenge", workflow, response(401, error("UNAUTHENTICATED")), /www-authenticate/],
    [
      "405 with methods that the path does not have",
      testCase("PUT", "/v1/workflows"),
      response(405, error("INVALID_ARGUMENT"), { allow: "GET" }),
      /allow/,
    ],
  ] as const) {
    it(`rejects ${what}`, () => assert.match(checkResponse(request, received).join("; "), violation));
  }
});
