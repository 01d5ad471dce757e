import type { OperationId } from "../../src/contract.ts";
import type { TestSettings } from "./gateway.ts";
import { jsonPost, oneStep } from "./samples.ts";
import type { UpstreamRpcs } from "./upstream.ts";

/** An operation that calls the orchestrator. */
export interface UpstreamOperation {
  readonly id: OperationId;
  readonly path: string;
  /** With a key as its `token` if the administrator may not call the operation. */
  readonly init: RequestInit & { readonly token?: string };
  /** The RPC whose failure is the operation's. */
  readonly rpc: keyof UpstreamRpcs;
  /** Whether its request may be sent twice. */
  readonly safe: boolean;
}

const get = { method: "GET" };

/** Sends a key. */
const getWithKey = { ...get, token: "key-of-the-operations" };

/** What an upstream and a gateway need in order to accept every key. */
export const withKeys = {
  rpcs: { authenticateApiKey: () => ({ allowed: true, principal: "alice" }) },
  settings: { API_KEYS_ENABLED: "true" },
} as const satisfies { rpcs: UpstreamRpcs; settings: TestSettings };

/** Each operation that calls the orchestrator, and a submission once with and once without a key. */
export const upstreamOperations: readonly UpstreamOperation[] = [
  {
    id: "submitWorkflow",
    path: "/v1/workflows",
    init: jsonPost(oneStep),
    rpc: "submitWorkflow",
    safe: false,
  },
  {
    id: "submitWorkflow",
    path: "/v1/workflows",
    init: jsonPost(oneStep, { "Idempotency-Key": "k" }),
    rpc: "submitWorkflow",
    safe: true,
  },
  { id: "listWorkflows", path: "/v1/workflows", init: get, rpc: "listWorkflows", safe: true },
  { id: "getWorkflow", path: "/v1/workflows/w1", init: get, rpc: "getWorkflow", safe: true },
  {
    id: "cancelWorkflow",
    path: "/v1/workflows/w1",
    init: { method: "DELETE" },
    rpc: "cancelWorkflow",
    safe: true,
  },
  {
    id: "retryWorkflow",
    path: "/v1/workflows/w1/retry",
    init: { method: "POST" },
    rpc: "retryWorkflow",
    safe: false,
  },
  {
    id: "rankDesigns",
    path: "/v1/workflows/w1/rank",
    init: jsonPost({ metric: "plddt" }),
    rpc: "rankDesigns",
    safe: true,
  },
  {
    id: "streamWorkflowEvents",
    path: "/v1/workflows/w1/events",
    init: get,
    rpc: "streamWorkflowEvents",
    safe: true,
  },
  { id: "listArtifacts", path: "/v1/workflows/w1/artifacts", init: get, rpc: "getWorkflow", safe: true },
  {
    id: "downloadArtifact",
    path: "/v1/workflows/w1/artifacts/a.pdb",
    init: get,
    rpc: "getWorkflow",
    safe: true,
  },
  { id: "getBalance", path: "/v1/billing/balance", init: getWithKey, rpc: "getBalance", safe: true },
  { id: "listLedger", path: "/v1/billing/ledger", init: getWithKey, rpc: "listLedger", safe: true },
];
