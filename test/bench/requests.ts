import { submission, workflow } from "./messages.ts";
import type { Work } from "./load.ts";
import type { ServingProcess } from "./processes.ts";
import { compareRequests } from "./request-cost.ts";
import type { Finding } from "./report.ts";

/** The processes that serve the requests. */
interface Servers {
  readonly floor: ServingProcess;
  readonly gateway: ServingProcess;
}

export const adminToken = "the-token-of-the-benchmark";
const admin = { Authorization: `Bearer ${adminToken}` };
const key = { Authorization: "Bearer an-api-key-of-the-benchmark" };
const json = { "Content-Type": "application/json" };
const body = JSON.stringify(submission);

/** Reads one workflow as the administrator. */
export const getOne = {
  path: `/v1/workflows/${workflow.id}`,
  headers: admin,
  status: 200,
} as const satisfies Work;
const post = {
  method: "POST",
  path: "/v1/workflows",
  headers: { ...key, ...json },
  body,
  status: 201,
} as const;

const againstFloor: readonly { name: string; work: Work; limit: number }[] = [
  { name: "GET one workflow, admin token", work: getOne, limit: 2.0 },
  { name: "GET one workflow, API key", work: { ...getOne, headers: key }, limit: 2.1 },
  { name: "POST a workflow, API key", work: post, limit: 2.0 },
  {
    name: "GET a page of 20 workflows",
    work: { path: "/v1/workflows?page_size=20", headers: admin, status: 200 },
    limit: 1.4,
  },
];

const refused: readonly { name: string; work: Work }[] = [
  {
    name: "refused with 400 (body)",
    work: { ...post, body: body.replace('"tool":"af2"', '"tool":"af3"'), status: 400 },
  },
  {
    name: "refused with 400 (query)",
    work: { path: "/v1/workflows?page_size=1000", headers: admin, status: 400 },
  },
  { name: "refused with 401", work: { ...getOne, headers: {}, status: 401 } },
  { name: "refused with 404", work: { path: "/v2/workflows", headers: admin, status: 404 } },
];

/** CPU per request against the floor's, and of a refusal against a GET that succeeds. */
export async function measureRequests({ floor, gateway }: Servers): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, work, limit } of againstFloor) {
    const { ratio, micros, baseMicros } = await compareRequests(
      { server: gateway, work },
      { server: floor, work },
    );
    const detail = `${micros.toFixed(0)} µs against ${baseMicros.toFixed(0)}`;
    findings.push({ work: name, ratio, limit, detail });
  }
  for (const { name, work } of refused) {
    const { ratio, micros } = await compareRequests(
      { server: gateway, work },
      { server: gateway, work: getOne },
    );
    findings.push({ work: name, ratio, limit: 0.5, detail: `${micros.toFixed(0)} µs` });
  }
  return findings;
}
