import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import type { JsonObject } from "@bufbuild/protobuf";
import { createClient, type CallOptions, type Client } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  OrchestratorService,
  type Workflow,
  type WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { SandboxSettings } from "../../src/sandbox/settings.ts";
import { startSandbox, type Sandbox } from "../../src/sandbox/start-sandbox.ts";

/** A step as a test writes it. */
export interface StepInit {
  readonly id: string;
  readonly tool?: string;
  readonly dependsOn?: string[];
  readonly params?: JsonObject;
}

/** Options of a submission. */
export type SubmitOptions = CallOptions & {
  readonly labels?: Record<string, string>;
  readonly idempotencyKey?: string;
};

/** The orchestrator's client. */
export type Orchestrator = Client<typeof OrchestratorService>;

/** A sandbox on free ports with a client for each of its servers. */
export interface TestSandbox {
  readonly sandbox: Sandbox;
  readonly orchestrator: Orchestrator;
  readonly s3: S3Client;
  submit(steps: StepInit[], options?: SubmitOptions): Promise<Workflow>;
  /** Follows a workflow to its end, and reads it. */
  finish(workflowId: string): Promise<Workflow>;
  /** Submits and follows to the end. */
  run(steps: StepInit[], options?: CallOptions): Promise<Workflow>;
}

/**
 * Settings for tests: free ports, steps that take no time and cost 10 credits, one unlimited key and one of three
 * submissions.
 */
export const testSettings: SandboxSettings = {
  orchestratorAddr: { host: "127.0.0.1", port: 0 },
  objectStoreAddr: { host: "127.0.0.1", port: 0 },
  metricsAddr: { host: "127.0.0.1", port: 0 },
  stripe: {
    addr: { host: "127.0.0.1", port: 0 },
    webhookUrl: "http://127.0.0.1:9/",
    webhookSecret: "whsec_tests",
  },
  apiKeys: [
    { principal: "alice", key: "alice-key", limit: 0, windowSeconds: 60 },
    { principal: "bob", key: "bob-key", limit: 3, windowSeconds: 60 },
  ],
  stepSeconds: 0,
  pricePerStep: 10n,
  openingCredits: 100_000n,
  s3: undefined,
};

/** Call options of a principal. */
export function as(principal: string): CallOptions {
  return { headers: { "ff-principal": principal } };
}

/** A client that speaks gRPC over a connection of its own. */
export function connect(baseUrl: string): Orchestrator {
  return createClient(OrchestratorService, createGrpcTransport({ baseUrl }));
}

/** Starts a sandbox that the suite's `after` closes. Call it in a `describe`; use what it returns in an `it`. */
export function useSandbox(settings: Partial<SandboxSettings> = {}, now?: () => number): TestSandbox {
  const context: Partial<TestSandbox> = {};
  before(async () => {
    const sandbox = await startSandbox({ ...testSettings, ...settings }, now);
    const orchestrator = connect(sandbox.orchestratorUrl);
    Object.assign(context, { sandbox, orchestrator, s3: createS3Client(sandbox.objectStoreUrl) });
  });
  after(async () => {
    context.s3?.destroy();
    await context.sandbox?.close();
  });
  const test = context as TestSandbox;
  return Object.assign(test, {
    submit(steps: StepInit[], { labels = {}, idempotencyKey = "", ...options }: SubmitOptions = {}) {
      const spec = { name: "test", steps: steps.map((step) => ({ tool: "af2", ...step })), labels };
      return test.orchestrator.submitWorkflow({ spec, idempotencyKey }, options);
    },
    async finish(workflowId: string) {
      await readAll(test.orchestrator.streamWorkflowEvents({ workflowId }));
      return test.orchestrator.getWorkflow({ workflowId });
    },
    async run(steps: StepInit[], options?: CallOptions) {
      const { id } = await test.submit(steps, options);
      return test.finish(id);
    },
  });
}

/** The AWS SDK as a gateway would set it up. */
export function createS3Client(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: "auto",
    forcePathStyle: true,
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
  });
}

/** Reads a stream to its end. */
export async function readAll<T>(items: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = [];
  for await (const item of items) read.push(item);
  return read;
}

/** Reads a stream until `isLast` holds for an event; what was read includes it. */
export async function readUntil(
  events: AsyncIterable<WorkflowEvent>,
  isLast: (event: WorkflowEvent) => boolean,
): Promise<WorkflowEvent[]> {
  const read: WorkflowEvent[] = [];
  for await (const event of events) {
    read.push(event);
    if (isLast(event)) return read;
  }
  throw new Error("the stream ended early");
}

/** Takes a free port of this machine until `server` is closed. */
export async function takePort(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

/** Makes os.tmpdir() a folder of the test's own for the time of `body`, so that it can look what is left. */
export async function withTemporaryFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const { TMPDIR } = process.env;
  const folder = await mkdtemp(join(tmpdir(), "sandbox-test-"));
  process.env.TMPDIR = folder;
  try {
    return await body(folder);
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    await rm(folder, { recursive: true });
  }
}
