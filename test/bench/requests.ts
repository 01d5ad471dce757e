import { threeSteps } from "../support/samples.ts";
import { workflow } from "./messages.ts";
import type { Work } from "./load.ts";
import { adminToken } from "./processes.ts";
import type { ServingProcess } from "./processes.ts";
import { compareRequests } from "./request-cost.ts";
import type { Finding } from "./report.ts";
import type { Comparison } from "./rounds.ts";

/** The processes that serve the requests. */
export interface Servers {
  readonly floor: ServingProcess;
  readonly gateway: ServingProcess;
}

const admin = { Authorization: `Bearer ${adminToken}` };
const key = { Authorization: "Bearer an-api-key-of-the-benchmark" };
const json = { "Content-Type": "application/json" };
const body = JSON.stringify(threeSteps);

/** Reads one workflow as the administrator. */
export const getOne = {
  path: `/v1/workflows/${workflow.id}`,
  headers: admin,
  status: 200,
} as const satisfies Work;
/** Reads one workflow with an API key. */
export const getOneWithKey = { ...getOne, headers: key } as const satisfies Work;
/** Submits a workflow with an API key. */
export const post = {
  method: "POST",
  path: "/v1/workflows",
  headers: { ...key, ...json },
  body,
  status: 201,
} as const satisfies Work;
/** Reads a page as the administrator. */
export const getPage = {
  path: "/v1/workflows?page_size=20",
  headers: admin,
  status: 200,
} as const satisfies Work;
/** Has no token. */
export const unauthenticated = { ...getOne, headers: {}, status: 401 } as const satisfies Work;

const againstFloor: readonly { name: string; work: Work; limit: number }[] = [
  { name: "GET one workflow, admin token", work: getOne, limit: 1.0 },
  { name: "GET one workflow, API key", work: getOneWithKey, limit: 1.0 },
  { name: "POST a workflow, API key", work: post, limit: 1.1 },
  { name: "GET a page of 20 workflows", work: getPage, limit: 0.6 },
];

/** Why a rejection may cost more than half of a GET. */
const writeCost = "most of it is node:http reading and writing, which a GET does once too";

const rejected: readonly { name: string; work: Work }[] = [
  { name: "rejected with 400", work: { ...getOne, path: "/v1/workflows/not%20an%20id", status: 400 } },
  { name: "rejected with 401", work: unauthenticated },
  { name: "rejected with 404", work: { ...getOne, path: getOne.path.replace("v1", "v2"), status: 404 } },
];

/** Rejected after the query or the body is read, which costs too. */
const rejectedLate: readonly { name: string; work: Work }[] = [
  {
    name: "a query",
    work: { path: "/v1/workflows?page_size=1000", headers: admin, status: 400 },
  },
  {
    name: "a submission",
    work: { ...post, body: body.replace('"tool":"af2"', '"tool":"af3"'), status: 400 },
  },
];

/** CPU per request against the floor's, and of a rejection against a GET that succeeds. */
export async function measureRequests({ floor, gateway }: Servers): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, work, limit } of againstFloor) {
    const cost = await compareRequests({ server: gateway, work }, { server: floor, work });
    findings.push({ work: name, ratio: cost.ratio, limit, detail: detailOf(cost) });
  }
  const againstGet = (work: Work) =>
    compareRequests({ server: gateway, work }, { server: gateway, work: getOne });
  const others: string[] = [];
  for (const { name, work } of rejectedLate) {
    const { micros, ratio } = await againstGet(work);
    others.push(`; ${name} ${micros.toFixed(0)} µs, ratio ${ratio.toFixed(2)}`);
  }
  for (const { name, work } of rejected) {
    const cost = await againstGet(work);
    const more = work.status === 400 ? others.join("") : "";
    findings.push({
      work: name,
      ratio: cost.ratio,
      limit: 0.5,
      known: writeCost,
      detail: detailOf(cost) + more,
    });
  }
  return findings;
}

/** What both sides cost. */
export function detailOf({ micros, baseMicros }: Comparison): string {
  return `${micros.toFixed(0)} µs against ${baseMicros.toFixed(0)}`;
}
