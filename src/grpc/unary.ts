import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "./call.ts";
import type { CallRequest } from "./call.ts";
import { EnvelopeReader } from "./envelope.ts";
import type { Envelope } from "./envelope.ts";
import { incomplete, maxBytesOf, openEnvelope } from "./messages.ts";
import type { ReadOptions } from "./messages.ts";
import { unboundedMemory } from "./message-memory.ts";
import type { StreamOpener } from "./session.ts";

/** The response to a unary call before its message is decoded. */
interface ReceivedMessage {
  readonly envelope: Envelope;
  readonly call: Call;
}

/** Makes a call with one response message. Rejects with Unimplemented for any other number, as gRPC requires. */
export async function callUnary(
  opener: StreamOpener,
  request: CallRequest,
  output: DescMessage,
  options: ReadOptions,
): Promise<{ readonly message: unknown; readonly call: Call }> {
  const { envelope, call } = await receive(opener, request, maxBytesOf(output, options), options);
  return { message: await openEnvelope(output, envelope, call.header?.["grpc-encoding"], options), call };
}

function receive(
  opener: StreamOpener,
  request: CallRequest,
  maxBytes: number,
  { memory = unboundedMemory, owner }: ReadOptions,
): Promise<ReceivedMessage> {
  return new Promise((resolve, reject) => {
    let reader = createReader();
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

    /** Releases the received messages. */
    function drop() {
      reader.close();
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
        for (let next = reader.take(); next !== undefined; next = reader.take()) {
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

    const call = new Call(opener, request, {
      retried() {
        drop();
        reader = createReader();
      },
      received(chunk) {
        reader.push(chunk);
        take();
      },
      ended(error) {
        if (error === undefined && envelope !== undefined && !reader.hasRest)
          return resolve({ envelope, call });
        const reason = error ?? (reader.hasRest ? incomplete() : wrongNumber("no message"));
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
