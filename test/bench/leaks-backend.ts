/**
 * The backends of the long run: an orchestrator and an object store whose responses depend on the
 * workflow's id.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import type { TestStore } from "../support/object-store.ts";
import { sha256, stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { startUpstream } from "../support/upstream.ts";
import { whenAborted } from "../support/when-aborted.ts";

/** Ids of workflows by the result of a request for them. */
export const ids = {
  read: "read",
  /** The call lasts until it is cancelled. */
  slow: "slow",
  /** Its stream stays open. */
  open: "open",
  /** Its stream ends with the workflow. */
  finished: "finished",
  /** Its stream breaks after the first event, and is resumed to its end. */
  lost: "lost",
  /** Its stream fails after the first event. */
  failed: "failed",
} as const;

/** Keys of its objects. */
export const keys = { whole: "whole.pdb", broken: "broken.pdb" } as const;

const bytes = Buffer.alloc(256 * 1024, "ATOM      1  N   GLY A   1\n");
const outputs = Object.values(keys).map((key) => ({
  uri: `r2://foldforge/${key}`,
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
}));

/** Serves an object, or breaks off in its middle. */
const serveObject: TestStore["respond"] = function serveObject(req, res) {
  if (!req.url?.includes(keys.broken)) return serveBytes(bytes)(req, res);
  res.writeHead(200, { "Content-Length": bytes.length });
  res.write(bytes.subarray(0, bytes.length / 2), () => res.destroy());
};

/** Starts both; `settings` is the configuration of a gateway for them. */
export async function startBackend() {
  const store = await startTestStore();
  store.respond = serveObject;
  const upstream = await startUpstream({
    authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
    consumeQuota: () => ({ allowed: true, limit: 1_000_000n, used: 1n }),
    submitWorkflow: () => workflowIn(JobState.QUEUED),
    listWorkflows: () => ({ workflows: [workflowIn(JobState.RUNNING)] }),
    async getWorkflow({ workflowId }, { signal }) {
      if (workflowId === ids.slow) await whenAborted(signal);
      return workflowIn(JobState.RUNNING, outputs);
    },
    async *streamWorkflowEvents({ workflowId, fromEventId }, { signal }) {
      yield stepEvent(fromEventId + 1n);
      if (workflowId === ids.open) await whenAborted(signal);
      if (workflowId === ids.failed) throw new ConnectError("no such workflow", Code.NotFound);
      if (workflowId === ids.lost && fromEventId === 0n) throw new ConnectError("lost", Code.Unavailable);
      yield workflowEvent(fromEventId + 2n, JobState.SUCCEEDED);
    },
  });
  return {
    settings: {
      ORCHESTRATOR_ENDPOINT: upstream.url,
      API_KEYS_ENABLED: "true",
      ...storeSettings(store),
    },
    async close() {
      await Promise.all([upstream.close(), store.close()]);
    },
  };
}
