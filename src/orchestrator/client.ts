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
  resolvedAddress,
} from "../grpc/index.ts";
import type {
  CallObserver,
  CreateConnection,
  EncodedMessage,
  GrpcTransportOptions,
  KeepaliveOptions,
  LookUp,
  MessageMemory,
} from "../grpc/index.ts";
import { watchCertificates } from "../settings/certificates.ts";
import type { TlsFiles } from "../settings/certificates.ts";
import type { Logger } from "../telemetry/logger.ts";
import { traceCalls } from "./trace-propagation.ts";
import type { StartCallSpan } from "../telemetry/call-spans.ts";

/** The client with the message types of the service. */
type PlainClient = Client<typeof OrchestratorService>;

/** Message types that may be large. They are converted to JSON or read in part, and never decoded as a whole. */
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
 * The client of the orchestrator. Each call rejects with a ConnectError. Messages that may be large are returned as an
 * EncodedMessage, which the caller disposes. A submission is sent from its bytes.
 */
export type OrchestratorClient = {
  readonly [Name in Exclude<keyof PlainClient, "submitWorkflow">]: EncodingMethod<PlainClient[Name]>;
} & {
  /** `request` is an encoded SubmitWorkflowRequest. */
  submitWorkflow(request: Uint8Array, options?: CallOptions): Promise<EncodedMessage<Workflow>>;
};

/** A client with separate transports for unary calls and for event streams. */
export function orchestratorClient(calls: GrpcTransportOptions, streams: GrpcTransportOptions): PlainClient {
  const { streamWorkflowEvents } = OrchestratorService.method;
  return {
    ...createClient(OrchestratorService, createGrpcTransport(calls)),
    streamWorkflowEvents: createServerStreamFunction(streams, streamWorkflowEvents),
  };
}

/** The client of the orchestrators, and the state of its subchannels. */
export interface Orchestrator {
  readonly client: OrchestratorClient;
  /** The number of subchannels, and of those that are ready. */
  count(): { readonly all: number; readonly ready: number };
  /** Closes every session at once. */
  close(): void;
}

/** How to reach orchestrators. */
export interface OrchestratorOptions {
  readonly keepalive?: KeepaliveOptions;
  /** The `user-agent` of every call; none by default. */
  readonly userAgent?: string;
  /** Creates HTTP/2 connections; by default, those of the gateway's own client. */
  readonly createConnection?: CreateConnection | undefined;
  readonly logger: Logger;
  /** Called when an orchestrator sends GOAWAY because of too many pings. */
  readonly onKeepaliveRejected?: () => void;
  readonly observers?: readonly CallObserver[];
  /** Starts a span for each call; without it, calls send the trace of their options. */
  readonly startCallSpan?: StartCallSpan | undefined;
  /** The files for TLS; by default Node's own authorities are trusted. */
  readonly tls?: TlsFiles | undefined;
  /** Bounds the memory of received messages; unbounded by default. */
  readonly memory?: MessageMemory | undefined;
  /** The largest accepted message, in bytes. */
  readonly readMaxBytes?: number;
  readonly lookUp?: LookUp;
  /** The interval at which names are resolved and files are read, in milliseconds. */
  readonly refreshMs?: number;
}

const defaultReadMaxBytes = 64 * 1024 * 1024;

/** The largest accepted message of the types that are decoded as a whole, in bytes; a page of the ledger is largest. */
const maxDecodedBytes = 1024 * 1024;

/**
 * Creates a client of the orchestrators at `endpoints`, with a subchannel for every resolved address. It connects when
 * needed, and again after every loss. The endpoints must have the same scheme and path.
 */
export function createOrchestrator(endpoints: readonly string[], options: OrchestratorOptions): Orchestrator {
  const { keepalive = defaultKeepalive, logger, tls, lookUp, refreshMs } = options;
  const { onKeepaliveRejected = () => undefined, memory, readMaxBytes = defaultReadMaxBytes } = options;
  const urls = endpoints.map((endpoint) => new URL(endpoint));
  const channel = new Channel({
    keepalive,
    userAgent: options.userAgent,
    createConnection: options.createConnection,
    logger,
    onKeepaliveRejected,
    onLost: () => resolver.refresh(),
  });
  const onChange = () => channel.drainSessions();
  const certificates = tls && watchCertificates(tls, { server: "orchestrator", logger, refreshMs, onChange });
  const resolver = createResolver([...new Set(urls.map(hostOf))], {
    lookUp,
    refreshMs,
    logger,
    onResolved: (addresses) =>
      channel.update(
        urls.flatMap((url) =>
          (addresses.get(hostOf(url)) ?? []).map((host) =>
            resolvedAddress(url, host, certificates?.secureContext),
          ),
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
    // Connect's types do not know that messages stay encoded.
    client: client as unknown as OrchestratorClient,
    count: () => channel.count,
    close() {
      resolver.close();
      certificates?.close();
      channel.close();
    },
  };
}
