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
import type { Logger } from "../telemetry/logger.ts";
import type { EncodedMessage } from "../grpc/encoded-message.ts";
import type { MessageMemory } from "../grpc/message-memory.ts";
import { watchAddresses } from "../grpc/resolver.ts";
import type { LookUp } from "../grpc/resolver.ts";
import { Channel } from "../grpc/channel.ts";
import { defaultKeepalive } from "../grpc/index.ts";
import type { KeepaliveOptions } from "../grpc/index.ts";
import { serverStreamFunction } from "../grpc/stream-function.ts";
import { hostOf, targetOf } from "../grpc/address.ts";
import { watchCertificates } from "../settings/certificates.ts";
import type { TlsFiles } from "../settings/certificates.ts";
import { createGrpcTransport } from "../grpc/transport.ts";
import type { GrpcTransportOptions } from "../grpc/transport.ts";

/** The calls with the messages that the service says. */
type PlainClient = Client<typeof OrchestratorService>;

/** Messages that may be large, and are written as JSON or read in part: they are never made as a whole. */
const keptEncoded: ReadonlySet<DescMessage> = new Set<DescMessage>([
  WorkflowSchema,
  ListWorkflowsResponseSchema,
  WorkflowEventSchema,
  RankDesignsResponseSchema,
]);
type KeptEncoded = Workflow | ListWorkflowsResponse | WorkflowEvent | RankDesignsResponse;

type Output<T> = T extends KeptEncoded ? EncodedMessage<T> : T;
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
 * The calls to the orchestrator. Each rejects with a ConnectError. Messages that may be large are received as an
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
    streamWorkflowEvents: serverStreamFunction(streams, streamWorkflowEvents),
  };
}

/** The gRPC side of the gateway. */
export interface Orchestrator {
  readonly client: OrchestratorClient;
  /** How many addresses calls may go to, and at how many of them somebody is there. */
  count(): { readonly all: number; readonly reached: number };
  /** Ends every connection at once. */
  close(): void;
}

/** How to reach orchestrators. */
export interface OrchestratorOptions {
  readonly keepalive?: KeepaliveOptions;
  readonly logger: Logger;
  /** Hears that an orchestrator ends a session because of its pings. */
  readonly onPingsRefused?: () => void;
  /** The files for TLS; where it is undefined, Node's own authorities are trusted. */
  readonly tls?: TlsFiles | undefined;
  /** Bounds the memory of messages that are received; without it nothing does. */
  readonly memory?: MessageMemory | undefined;
  /** Largest message that is accepted, in bytes. */
  readonly readMaxBytes?: number;
  readonly lookUp?: LookUp;
  /** How often names and files are looked at, in milliseconds. */
  readonly refreshMs?: number;
}

const defaultReadMaxBytes = 64 * 1024 * 1024;

/** Largest message of those that are decoded as a whole, in bytes: the largest of them is a page of the ledger. */
const maxDecodedBytes = 1024 * 1024;

/**
 * Connects to the orchestrators at `endpoints`, lazily and again after every loss: those that are listed, and of a name
 * each address that it stands for. They differ in nothing but host and port.
 */
export function createOrchestrator(endpoints: readonly string[], options: OrchestratorOptions): Orchestrator {
  const { keepalive = defaultKeepalive, logger, tls, lookUp, refreshMs } = options;
  const { onPingsRefused = () => undefined, memory, readMaxBytes = defaultReadMaxBytes } = options;
  const urls = endpoints.map((endpoint) => new URL(endpoint));
  const balancer = new Channel({
    keepalive,
    logger,
    onPingsRefused,
    onLost: () => watch.refresh(),
  });
  const certificates =
    tls === undefined
      ? undefined
      : watchCertificates(tls, {
          server: "orchestrator",
          logger,
          refreshMs,
          onChange: () => balancer.renew(),
        });
  const watch = watchAddresses([...new Set(urls.map(hostOf))], {
    lookUp,
    refreshMs,
    logger,
    onLook: (addresses) =>
      balancer.update(
        urls.flatMap((url) =>
          (addresses.get(hostOf(url)) ?? []).map((host) => targetOf(url, host, certificates?.secureContext)),
        ),
      ),
  });
  const shared = {
    pathPrefix: urls[0]?.pathname.replace(/\/$/, "") ?? "",
    readMaxBytes,
    memory,
    encoded: keptEncoded,
    maxDecodedBytes,
  };
  const client = orchestratorClient(
    { ...shared, connection: balancer.calls },
    { ...shared, connection: balancer.streams },
  );
  return {
    // Connect's types know nothing of messages that stay encoded.
    client: client as unknown as OrchestratorClient,
    count: () => balancer.count,
    close() {
      watch.close();
      certificates?.close();
      balancer.close();
    },
  };
}
