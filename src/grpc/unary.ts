import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "./call.ts";
import type { GrpcRequest } from "./call.ts";
import type { GrpcConnection } from "./session-pool.ts";
import { EnvelopeReader } from "./envelope.ts";
import type { Envelope } from "./envelope.ts";
import { incomplete, maxBytesOf, openEnvelope } from "./messages.ts";
import type { ReadOptions } from "./messages.ts";
import { unboundedMemory } from "./message-memory.ts";

/** The response to a unary call, its message not yet read. */
interface UnaryResponse {
  readonly envelope: Envelope;
  readonly call: Call;
}

/** Makes a call that is answered by exactly one message of the type `output`; other numbers are Unimplemented, as gRPC demands. */
export async function callUnary(
  connection: GrpcConnection,
  request: GrpcRequest,
  output: DescMessage,
  options: ReadOptions,
): Promise<{ readonly message: unknown; readonly call: Call }> {
  const { envelope, call } = await receive(connection, request, maxBytesOf(output, options), options);
  return { message: await openEnvelope(output, envelope, call.header?.["grpc-encoding"], options), call };
}

function receive(
  connection: GrpcConnection,
  request: GrpcRequest,
  maxBytes: number,
  { memory = unboundedMemory, owner }: ReadOptions,
): Promise<UnaryResponse> {
  return new Promise((resolve, reject) => {
    let frames = createReader();
    let envelope: Envelope | undefined;

    function createReader(): EnvelopeReader {
      return new EnvelopeReader({
        maxBytes,
        memory,
        owner,
        pause: () => call.pause(),
        resume() {
          call.resume();
          take();
        },
        fail,
      });
    }

    /** Gives back what was received. */
    function drop() {
      frames.close();
      envelope?.lease?.resize(0);
      envelope = undefined;
    }

    function fail(error: ConnectError) {
      call.cancel();
      drop();
      reject(error);
    }

    function take() {
      try {
        for (let next = frames.take(); next !== undefined; next = frames.take()) {
          if (envelope !== undefined) {
            next.lease?.resize(0);
            throw wrongNumber("more than one message");
          }
          envelope = next;
        }
      } catch (error) {
        fail(ConnectError.from(error, Code.Internal));
      }
    }

    const call = new Call(connection, request, {
      begun() {
        // The response is told as a whole.
      },
      again() {
        drop();
        frames = createReader();
      },
      received(chunk) {
        frames.push(chunk);
        take();
      },
      ended(error) {
        if (error === undefined && envelope !== undefined && !frames.hasRest)
          return resolve({ envelope, call });
        const reason = error ?? (frames.hasRest ? incomplete() : wrongNumber("no message"));
        drop();
        reject(reason);
      },
      gaveUp(error) {
        drop();
        reject(error);
      },
    });
  });
}

function wrongNumber(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what} for a unary method`, Code.Unimplemented);
}
