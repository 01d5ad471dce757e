import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { GrpcCall } from "./grpc-call.ts";
import type { GrpcRequest } from "./grpc-call.ts";
import type { GrpcConnection } from "./grpc-connection.ts";
import { FrameReader } from "./grpc-frames.ts";
import { decode, incomplete } from "./grpc-messages.ts";

/** The answer to a unary call. */
interface UnaryAnswer<T> {
  readonly message: T;
  readonly call: GrpcCall;
}

/** Makes a call that is answered by exactly one message; other numbers are Unimplemented, as gRPC demands. */
export function callUnary<O extends DescMessage>(
  connection: GrpcConnection,
  request: GrpcRequest,
  output: O,
  maxBytes: number,
): Promise<UnaryAnswer<MessageShape<O>>> {
  return new Promise((resolve, reject) => {
    let frames = new FrameReader(maxBytes);
    let message: MessageShape<O> | undefined;

    const call = new GrpcCall(connection, request, {
      begun() {
        // The answer is told as a whole.
      },
      again() {
        frames = new FrameReader(maxBytes);
        message = undefined;
      },
      received(chunk) {
        try {
          frames.push(chunk);
          for (let bytes = frames.take(); bytes !== undefined; bytes = frames.take()) {
            if (message !== undefined) throw wrongNumber("more than one message");
            message = decode(output, bytes);
          }
        } catch (error) {
          call.cancel();
          reject(ConnectError.from(error, Code.Internal));
        }
      },
      ended(error) {
        if (error !== undefined) return reject(error);
        if (frames.hasRest) return reject(incomplete());
        if (message === undefined) return reject(wrongNumber("no message"));
        resolve({ message, call });
      },
      gaveUp: reject,
    });
  });
}

function wrongNumber(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what} for a unary method`, Code.Unimplemented);
}
