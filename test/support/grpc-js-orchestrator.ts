import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, Message } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** A unary RPC: calls back with an error or a message. */
export type UnaryRpc = grpc.handleUnaryCall<Message, Message>;
/** A streaming RPC: writes messages to the call. */
export type StreamingRpc = grpc.handleServerStreamingCall<Message, Message>;

/** An orchestrator made by another gRPC library than the gateway's. */
export interface GrpcJsOrchestrator {
  readonly url: string;
  /** The RPCs by their names in the .proto file; a missing one is UNIMPLEMENTED. */
  readonly rpcs: Record<string, UnaryRpc | StreamingRpc>;
  /** Stops listening, and sends GOAWAY; calls in progress continue. */
  drain(): void;
  close(): Promise<void>;
}

/** Starts it on `port`, a free one by default. */
export async function startGrpcJsOrchestrator(port = 0): Promise<GrpcJsOrchestrator> {
  const rpcs: GrpcJsOrchestrator["rpcs"] = {};
  const server = new grpc.Server();
  const definition: grpc.ServiceDefinition = Object.fromEntries(
    OrchestratorService.methods.map((method) => [method.name, methodDefinition(method)]),
  );
  const implementation = Object.fromEntries(
    OrchestratorService.methods.map(({ name, methodKind }) => [
      name,
      methodKind === "unary"
        ? (...[call, callback]: Parameters<UnaryRpc>) => {
            const rpc = rpcs[name] as UnaryRpc | undefined;
            if (rpc === undefined) callback({ code: grpc.status.UNIMPLEMENTED });
            else rpc(call, callback);
          }
        : (...[call]: Parameters<StreamingRpc>) => {
            const rpc = rpcs[name] as StreamingRpc | undefined;
            if (rpc === undefined) call.emit("error", { code: grpc.status.UNIMPLEMENTED });
            else rpc(call);
          },
    ]),
  );
  server.addService(definition, implementation);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    url: `http://127.0.0.1:${bound}`,
    rpcs,
    drain: () => server.tryShutdown(() => undefined),
    close() {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

function methodDefinition(method: DescMethod): grpc.MethodDefinition<Message, Message> {
  const { parent, name, input, output, methodKind } = method;
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: false,
    responseStream: methodKind === "server_streaming",
    requestSerialize: serializer(input),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: serializer(output),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

function serializer(schema: DescMessage) {
  return (message: Message) => Buffer.from(toBinary(schema, message));
}
