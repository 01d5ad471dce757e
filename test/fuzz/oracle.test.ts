import assert from "node:assert/strict";
import { brotliCompressSync } from "node:zlib";
import { runningJson } from "../support/samples.ts";
import type { Answer } from "./answer-reader.ts";
import { createConformance } from "./conformance.ts";
import { readContract } from "./contract.ts";
import { createJudge } from "./oracle.ts";
import type { Case } from "./oracle.ts";

const contract = readContract();
const judge = createJudge(contract, createConformance(contract));

function asked(method: string, target: string, more: Partial<Case> = {}): Case {
  return { request: { method, target, version: "HTTP/1.1", headers: [] }, mayBreakHttp: false, ...more };
}

function answered(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
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
const healthz = asked("GET", "/v1/healthz");
const workflow = asked("GET", "/v1/workflows/w1");

const inBrotli: Case = {
  request: { ...healthz.request, headers: [["Accept-Encoding", "br"]] },
  mayBreakHttp: false,
};
const compressed = (body: object, bytes = brotliCompressSync(JSON.stringify(body))): Answer => ({
  ...answered(200, "", { "content-encoding": "br" }),
  body: bytes,
});

const spec = { name: "n", steps: [{ id: "a", tool: "af2", params: { x: 1 } }] };
const submission: Case = {
  request: { ...asked("POST", "/v1/workflows").request, body: Buffer.from(JSON.stringify(spec)) },
  mayBreakHttp: false,
};
const submitted = (step: object) =>
  answered(201, { ...runningJson, ...spec, steps: [step], labels: {} }, { location: "/v1/workflows/w1" });
const echoed = { id: "a", tool: "af2", depends_on: [], params: { x: 1 } };

const twoSteps = {
  name: "n",
  steps: [
    { id: "a", tool: "af2", depends_on: ["b"] },
    { id: "b", tool: "af2" },
  ],
};
const plannedSubmission: Case = {
  request: {
    ...asked("POST", "/v1/workflows?validate_only=true").request,
    body: Buffer.from(JSON.stringify(twoSteps)),
  },
  mayBreakHttp: false,
};
const planned = (...order: string[]) => {
  const steps = order.map((id) => ({ id, tool: "af2", depends_on: [], level: 0 }));
  return answered(200, { name: "n", steps, order, levels: [order] });
};

describe("the judge of answers", () => {
  for (const [what, request, answer] of [
    ["a declared answer", healthz, answered(200, health)],
    ["an error of the contract", workflow, answered(404, error("NOT_FOUND"))],
    ["an answer in a coding that was asked for", inBrotli, compressed(health)],
    [
      "HEAD of such an answer",
      asked("HEAD", "/v1/healthz", { request: { ...inBrotli.request, method: "HEAD" } }),
      compressed(health, Buffer.alloc(0)),
    ],
    ["HEAD, wherever GET is", asked("HEAD", "/v1/healthz"), answered(200, "")],
    [
      "an absolute target",
      asked("GET", "http://gateway/v1/healthz?a"),
      answered(400, error("INVALID_ARGUMENT")),
    ],
    ["a submission that came back as it was sent", submission, submitted(echoed)],
    ["the plan of a submission", plannedSubmission, planned("b", "a")],
    [
      "412 where a condition is declared",
      asked("DELETE", "/v1/workflows/w1"),
      answered(412, error("FAILED_PRECONDITION")),
    ],
    ["404 where no path is", asked("GET", "/v2"), answered(404, error("NOT_FOUND"))],
    [
      "405 where no method is",
      asked("PUT", "/v1/workflows"),
      answered(405, error("INVALID_ARGUMENT"), { allow: "GET, POST, HEAD" }),
    ],
    [
      "what HTTP refuses",
      asked("get", "/v2", { mayBreakHttp: true }),
      answered(400, error("INVALID_ARGUMENT")),
    ],
  ] as const) {
    it(`accepts ${what}`, () => assert.deepEqual(judge(request, answer), []));
  }

  for (const [what, request, answer, fault] of [
    ["a failure, even one that is declared", healthz, answered(500, error("INTERNAL")), /status is 500/],
    ["412 where none is", asked("GET", "/v1/workflows"), answered(412, error("ABORTED")), /status is 412/],
    ["a status that is not declared", healthz, answered(404, error("NOT_FOUND")), /status is 404/],
    ["HEAD of an event stream", asked("HEAD", "/v1/workflows/w1/events"), answered(200, ""), /status is 200/],
    [
      "another status than the expected",
      { ...workflow, statuses: [400] },
      answered(404, error("NOT_FOUND")),
      /404/,
    ],
    [
      "400 for a plain request of no path",
      asked("GET", "/v2"),
      answered(400, error("INVALID_ARGUMENT")),
      /400/,
    ],
    ["a coding that nobody has asked for", healthz, compressed(health), /nobody asked for the coding br/],
    [
      "a body that is not in its coding",
      inBrotli,
      compressed(health, Buffer.from("{}")),
      /ERR_|Decompression/,
    ],
    ["another shape in a coding", inBrotli, compressed({ ...health, more: 1 }), /additional properties/],
    ["404 at a path that is nearly one", asked("GET", "/v1/openapi-yaml"), answered(200, ""), /not 404/],
    ["a body that is no JSON", healthz, answered(200, "ok"), /no JSON/],
    ["a body of another shape", healthz, answered(200, { ...health, more: 1 }), /additional properties/],
    ["an error of another shape", workflow, answered(404, { error: "no" }), /required property 'code'/],
    ["another type", workflow, answered(404, "no", { "content-type": "text/html" }), /type is text\/html/],
    ["a submission that came back changed", submission, submitted({ ...echoed, params: {} }), /not the one/],
    ["a plan that lacks a step", plannedSubmission, planned("b"), /plan is not one/],
    ["a plan in the wrong order", plannedSubmission, planned("a", "b"), /plan is not one/],
    ["401 without a challenge", workflow, answered(401, error("UNAUTHENTICATED")), /www-authenticate/],
    [
      "405 with methods that the path does not have",
      asked("PUT", "/v1/workflows"),
      answered(405, error("INVALID_ARGUMENT"), { allow: "GET" }),
      /allow/,
    ],
  ] as const) {
    it(`finds fault with ${what}`, () => assert.match(judge(request, answer).join("; "), fault));
  }
});
