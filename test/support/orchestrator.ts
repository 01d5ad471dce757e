import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage } from "@bufbuild/protobuf";
import type { CallOptions, Client } from "@connectrpc/connect";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createOrchestrator } from "../../src/orchestrator/client.ts";
import type { Orchestrator, OrchestratorClient, OrchestratorOptions } from "../../src/orchestrator/client.ts";
import { EncodedMessage } from "../../src/grpc/encoded-message.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { suite } from "./gateway.ts";
import { closeAtEnd } from "./leftovers.ts";
import type { Upstream } from "./upstream.ts";

/** The calls of the service, with decoded messages. */
export type DecodingClient = Client<typeof OrchestratorService>;

/** The gateway's connection to orchestrators: its client as the gateway has it, and one that decodes. */
interface Connection extends Omit<Orchestrator, "client"> {
  readonly client: DecodingClient;
  readonly encodedClient: OrchestratorClient;
}

/** The gateway's connection to the orchestrators at `urls`, without a log. */
export function connectTo(urls: readonly string[], options: Partial<OrchestratorOptions> = {}): Connection {
  const orchestrator = createOrchestrator(urls, {
    logger: createLogger({ write: () => undefined }),
    ...options,
  });
  const { client: encodedClient } = orchestrator;
  const isClosed = closeAtEnd(() => orchestrator.close());
  function close() {
    orchestrator.close();
    isClosed();
  }
  return { ...orchestrator, client: decodingClient(encodedClient), encodedClient, close };
}

/** For the body of a `describe`: a client of `upstream` that decodes, closed after its tests. */
export function clientSuite(upstream: () => Upstream): () => DecodingClient {
  const connection = connectionSuite(upstream);
  return () => connection().client;
}

/** The same for the gateway's own client. */
export function encodedClientSuite(upstream: () => Upstream): () => OrchestratorClient {
  const connection = connectionSuite(upstream);
  return () => connection().encodedClient;
}

function connectionSuite(upstream: () => Upstream) {
  return suite(() => {
    const { client, encodedClient, close } = connectTo([upstream().url]);
    return Promise.resolve({ client, encodedClient, close: () => Promise.resolve(close()) });
  });
}

/** A client that decodes what the gateway's own leaves encoded. */
export function decodingClient(client: OrchestratorClient): DecodingClient {
  const methods = OrchestratorService.methods.map(({ localName, input, output, methodKind }) => {
    const method = client[localName as keyof OrchestratorClient] as (
      request: unknown,
      options?: CallOptions,
    ) => unknown;
    const requestOf = (request: never) =>
      localName === "submitWorkflow" ? toBinary(input, create(input, request)) : request;
    return [
      localName,
      methodKind === "unary"
        ? async (request: never, options?: CallOptions) =>
            decoded(output, await method(requestOf(request), options))
        : (request: never, options?: CallOptions) =>
            decodedStream(output, method(request, options) as AsyncIterable<unknown>),
    ];
  });
  return Object.fromEntries(methods) as DecodingClient;
}

function decoded(output: DescMessage, message: unknown): unknown {
  if (!(message instanceof EncodedMessage)) return message;
  using encoded = message;
  return fromBinary(output, encoded.bytes);
}

function decodedStream(output: DescMessage, messages: AsyncIterable<unknown>): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        async next() {
          const { done, value } = await iterator.next();
          return done === true ? { done, value } : { done: false, value: decoded(output, value) };
        },
        return: async () => {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
