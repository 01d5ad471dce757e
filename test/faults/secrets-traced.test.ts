import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { workflowEvent, workflowIn } from "../support/samples.ts";
import { sendText } from "../support/raw-http.ts";
import { startTracedStack } from "../support/traced-stack.ts";
import type { UpstreamRpcs } from "../support/upstream.ts";
import { internalTexts, canaryRequests, operationRequests, secrets, stripeSettings } from "./canaries.ts";
import { responseOf, startRawStore } from "./raw-store.ts";

const digest = (token: string) => createHash("sha256").update(token).digest("hex");

/** Texts that no span may have: tokens, hashes of keys, and messages of the orchestrator. */
const forbidden = [
  ...Object.values(secrets).flatMap((secret) => [secret, digest(secret)]),
  ...Object.values(internalTexts),
];

/** An orchestrator that knows one key, and fails with a message of its own. */
const rpcs: UpstreamRpcs = {
  authenticateApiKey: ({ keyHash }) => ({ allowed: keyHash === digest(secrets.apiKey), principal: "alice" }),
  getWorkflow: () => workflowIn(JobState.SUCCEEDED, [{ uri: "r2://foldforge/a.pdb", sizeBytes: 300_000n }]),
  listWorkflows: () => ({}),
  submitWorkflow() {
    throw new ConnectError(internalTexts.upstream, Code.Internal, { "x-internal": internalTexts.upstream });
  },
  async *streamWorkflowEvents() {
    yield await Promise.resolve(workflowEvent(1n, JobState.RUNNING));
    throw new ConnectError(internalTexts.upstream, Code.Internal);
  },
};

describe("secrets in exported spans", () => {
  it("are absent, wherever a client puts a token except in a path", async () => {
    const store = await startRawStore();
    store.respond = (socket) => socket.write(responseOf("403 Forbidden", internalTexts.store));
    const { gateway, collector, close } = await startTracedStack(rpcs, {
      API_TOKEN: secrets.adminToken,
      API_KEYS_ENABLED: "true",
      R2_ENDPOINT: store.url,
      R2_ACCESS_KEY_ID: secrets.accessKeyId,
      R2_SECRET_ACCESS_KEY: secrets.secretAccessKey,
      ...stripeSettings(store.url),
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=${secrets.password}`,
    });
    const admin = [`Authorization: Bearer ${secrets.adminToken}`];
    for (const request of [...canaryRequests(), ...operationRequests(admin)])
      await sendText(gateway.url, request);
    await gateway.close();
    const names = new Set(collector.spans.map(({ name }) => name));
    assert.ok(names.has("S3.GetObject") && names.has("POST /v1/workflows") && names.has("GET"));
    const text = JSON.stringify(collector.spans, (_key, value: unknown) =>
      typeof value === "bigint" ? Number(value) : value,
    );
    for (const secret of forbidden) assert.ok(!text.includes(secret), `a span says ${secret}`);
    await close();
    await store.close();
  });
});
