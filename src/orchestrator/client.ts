import type { DescMessage } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import type { CallOptions, Client } from "@connectrpc/connect";
import {
  ListWorkflowsResponseSchema,
  OrchestratorService,
  RankDesignsResponseSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type {
  ListWorkflowsResponse,
  RankDesignsResponse,
  Workflow,
  WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import {
  Channel,
  createGrpcTransport,
  createResolver,
  createServerStreamFunction,
  defaultKeepalive,
  hostOf,
  targetOf,
} from "../grpc/index.ts";
import type {
  CallObserver,
  EncodedMessage,
  GrpcTransportOptions,
  KeepaliveOptions,
  LookUp,
  MessageMemory,
} from "../grpc/index.ts";
import { watchCertificates } from "../settings/certificates.ts";
import type { TlsFiles } from "../settings/certificates.ts";
import type { Logger } from "../telemetry/logger.ts";
import { traceCalls } from "./call-observers.ts";
import type { StartCallSpan } from "../telemetry/call-spans.ts";

/** The calls with the messages that the service declares. */
type PlainClient = Client<typeof OrchestratorService>;

/** Messages that may be large, and are written as JSON or read in part: they are never decoded as a whole. */
const encoded: ReadonlySet<DescMessage> = new Set<DescMessage>([
  WorkflowSchema,
  ListWorkflowsResponseSchema,
  WorkflowEventSchema,
  RankDesignsResponseSchema,
]);
type EncodedType = Workflow | ListWorkflowsResponse | WorkflowEvent | RankDesignsResponse;

type Output<T> = T extends EncodedType ? EncodedMessage<T> : T;
type EncodingMethod<Method> = Method extends (request: infer Request, options?: CallOptions) => infer Response
  ? (
      request: Request,
      options?: CallOptions,
    ) => Response extends Promise<infer Message>
      ? Promise<Output<Message>>
      : Response extends AsyncIterable<infer Message>
        ? AsyncIterable<Output<Message>>
        : never
  : never;

/**
 * The calls to the orchestrator. Each rejects with a ConnectError. Messages that may be large are returned as an
 * EncodedMessage, to be disposed of; a submission is sent from its bytes.
 */
export type OrchestratorClient = {
  readonly [Name in Exclude<keyof PlainClient, "submitWorkflow">]: EncodingMethod<PlainClient[Name]>;
} & {
  /** `request` holds a SubmitWorkflowRequest. */
  submitWorkflow(request: Uint8Array, options?: CallOptions): Promise<EncodedMessage<Workflow>>;
};

/** The calls over two transports: one for unary calls, one for event streams. */
export function orchestratorClient(calls: GrpcTransportOptions, streams: GrpcTransportOptions): PlainClient {
  const { streamWorkflowEvents } = OrchestratorService.method;
  return {
    ...createClient(OrchestratorService, createGrpcTransport(calls)),
    streamWorkflowEvents: createServerStreamFunction(streams, streamWorkflowEvents),
  };
}

/** The connections to the orchestrators. */
export interface Orchestrator {
  readonly client: OrchestratorClient;
  /** How many addresses calls may go to, and how many of them are ready. */
  count(): { readonly all: number; readonly ready: number };
  /** Ends every connection at once. */
  close(): void;
}

/** How to reach orchestrators. */
export interface OrchestratorOptions {
  readonly keepalive?: KeepaliveOptions;
  readonly logger: Logger;
  /** Called when an orchestrator ends a session because of the pings on it. */
  readonly onKeepaliveRejected?: () => void;
  readonly observers?: readonly CallObserver[];
  /** Gives each call a span; without it, calls carry the trace of their options. */
  readonly startCallSpan?: StartCallSpan | undefined;
  /** The files for TLS; by default, Node's own authorities are trusted. */
  readonly tls?: TlsFiles | undefined;
  /** Bounds the memory of received messages; by default nothing does. */
  readonly memory?: MessageMemory | undefined;
  /** Largest message that is accepted, in bytes. */
  readonly readMaxBytes?: number;
  readonly lookUp?: LookUp;
  /** How often names are resolved and files are read, in milliseconds. */
  readonly refreshMs?: number;
}

const defaultReadMaxBytes = 64 * 1024 * 1024;

/** Largest message of those that are decoded as a whole, in bytes: the largest of them is a page of the ledger. */
const maxDecodedBytes = 1024 * 1024;

/**
 * Connects to the orchestrators at `endpoints`, lazily and again after every loss, at every address of a name. The
 * endpoints differ in nothing but host and port.
 */
export function createOrchestrator(endpoints: readonly string[], options: OrchestratorOptions): Orchestrator {
  const { keepalive = defaultKeepalive, logger, tls, lookUp, refreshMs } = options;
  const { onKeepaliveRejected = () => undefined, memory, readMaxBytes = defaultReadMaxBytes } = options;
  const urls = endpoints.map((endpoint) => new URL(endpoint));
  const channel = new Channel({ keepalive, logger, onKeepaliveRejected, onLost: () => resolver.refresh() });
  const onChange = () => channel.drainSessions();
  const certificates = tls && watchCertificates(tls, { server: "orchestrator", logger, refreshMs, onChange });
  const resolver = createResolver([...new Set(urls.map(hostOf))], {
    lookUp,
    refreshMs,
    logger,
    onResolved: (addresses) =>
      channel.update(
        urls.flatMap((url) =>
          (addresses.get(hostOf(url)) ?? []).map((host) => targetOf(url, host, certificates?.secureContext)),
        ),
      ),
  });
  const pathPrefix = urls[0]?.pathname.replace(/\/$/, "") ?? "";
  const observers = [...(options.observers ?? []), traceCalls(options.startCallSpan)];
  const shared = { pathPrefix, observers, readMaxBytes, memory, encoded, maxDecodedBytes };
  const client = orchestratorClient(
    { ...shared, opener: channel.calls },
    { ...shared, opener: channel.streams },
  );
  return {
    // Connect's types know nothing of messages that stay encoded.
    client: client as unknown as OrchestratorClient,
    count: () => channel.count,
    close() {
      resolver.close();
      certificates?.close();
      channel.close();
    },
  };
}
