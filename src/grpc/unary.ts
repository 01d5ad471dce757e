import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "./call.ts";
import type { CallListener, CallRequest } from "./call.ts";
import { EnvelopeReader } from "./envelope.ts";
import type { Envelope, EnvelopeListener, EnvelopeOptions } from "./envelope.ts";
import { incomplete, maxBytesOf, openEnvelope } from "./messages.ts";
import type { ReadOptions } from "./messages.ts";
import { unboundedMemory } from "./message-memory.ts";
import type { StreamOpener } from "./session.ts";

/** Makes a call with one response message. Rejects with Unimplemented for any other number, as gRPC requires. */
export async function callUnary(
  opener: StreamOpener,
  request: CallRequest,
  output: DescMessage,
  options: ReadOptions,
): Promise<{ readonly message: unknown; readonly call: Call }> {
  const { memory = unboundedMemory, owner } = options;
  const envelopeOptions = { maxBytes: maxBytesOf(output, options), memory, owner };
  const { envelope, call } = await new Promise<ReceivedMessage>((resolve, reject) => {
    void new UnaryCall(opener, request, envelopeOptions, resolve, reject);
  });
  return { message: await openEnvelope(output, envelope, call.header?.["grpc-encoding"], options), call };
}

/** The response to a unary call before its message is decoded. */
interface ReceivedMessage {
  readonly envelope: Envelope;
  readonly call: Call;
}

class UnaryCall implements CallListener, EnvelopeListener {
  readonly #call: Call;
  readonly #options: EnvelopeOptions;
  readonly #resolve: (received: ReceivedMessage) => void;
  readonly #reject: (error: ConnectError) => void;
  #reader: EnvelopeReader;
  #envelope: Envelope | undefined;

  /** Makes the call. Throws like the constructor of `Call`. */
  constructor(
    opener: StreamOpener,
    request: CallRequest,
    options: EnvelopeOptions,
    resolve: (received: ReceivedMessage) => void,
    reject: (error: ConnectError) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#reader = new EnvelopeReader(options, this);
    this.#call = new Call(opener, request, this);
  }

  retried(): void {
    this.#drop();
    this.#reader = new EnvelopeReader(this.#options, this);
  }

  received(bytes: Buffer): void {
    this.#reader.push(bytes);
    this.#take();
  }

  ended(error: ConnectError | undefined): void {
    const envelope = this.#envelope;
    const { hasRest } = this.#reader;
    if (error === undefined && envelope !== undefined && !hasRest)
      return this.#resolve({ envelope, call: this.#call });
    this.#drop();
    this.#reject(error ?? (hasRest ? incomplete() : wrongNumber("no message")));
  }

  gaveUp(error: ConnectError): void {
    this.#drop();
    this.#reject(error);
  }

  onWaiting(): void {
    this.#call.pause();
  }

  onAdmitted(): void {
    this.#call.resume();
    this.#take();
  }

  onFailed(error: ConnectError): void {
    this.#call.cancel();
    this.gaveUp(error);
  }

  #take(): void {
    try {
      for (let next = this.#reader.take(); next !== undefined; next = this.#reader.take()) {
        if (this.#envelope !== undefined) {
          next.lease?.resize(0);
          throw wrongNumber("more than one message");
        }
        this.#envelope = next;
      }
    } catch (error) {
      this.onFailed(ConnectError.from(error, Code.Internal));
    }
  }

  /** Releases the received messages. */
  #drop(): void {
    this.#reader.close();
    this.#envelope?.lease?.resize(0);
    this.#envelope = undefined;
  }
}

function wrongNumber(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what} for a unary method`, Code.Unimplemented);
}
