import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { EncodedMessage } from "./encoded-message.ts";
import type { GrpcRequest } from "./grpc-call.ts";
import { MessageTooLarge } from "./grpc-frames.ts";
import type { Envelope } from "./grpc-frames.ts";
import type { MemoryLease, MessageMemory } from "./message-memory.ts";

/** A call of `method` with `input`, or its bytes; `pathPrefix` is the path of the endpoint, which is mostly empty. */
export function requestOf<I extends DescMessage>(
  pathPrefix: string,
  method: DescMethod & { readonly input: I },
  input: MessageInitShape<I> | Uint8Array,
  options: Pick<GrpcRequest, "signal" | "timeoutMs" | "metadata">,
): GrpcRequest {
  const path = `${pathPrefix}/${method.parent.typeName}/${method.name}`;
  const { signal, timeoutMs, metadata } = options;
  const isRepeatable = method.idempotency === Idempotency.NO_SIDE_EFFECTS;
  const message = input instanceof Uint8Array ? input : encode(method.input, input);
  return { path, message, signal, timeoutMs, metadata, isRepeatable };
}

/** The bytes of a message; a value that does not fit its field is Internal. */
function encode<T extends DescMessage>(schema: T, message: MessageInitShape<T>): Uint8Array {
  try {
    return toBinary(schema, create(schema, message));
  } catch (error) {
    throw new ConnectError(`serialize binary: ${reasonOf(error)}`, Code.Internal);
  }
}

/** How received messages are read. */
export interface ReadOptions {
  /** The largest message that is accepted, before and after it is decompressed, in bytes. */
  readonly readMaxBytes: number;
  /** Bounds what is received at the same time; without it nothing does. */
  readonly memory?: MessageMemory | undefined;
  /** The messages that are given as an EncodedMessage. */
  readonly encoded?: ReadonlySet<DescMessage> | undefined;
}

/**
 * The message of an envelope, whose type is that of `schema` unless it is one that is to stay encoded; `encoding` is the
 * `grpc-encoding` of the response. What is no such message is Internal.
 */
export async function openEnvelope(
  schema: DescMessage,
  { isCompressed, bytes, lease: given }: Envelope,
  encoding: unknown,
  options: ReadOptions,
): Promise<unknown> {
  const { encoded } = options;
  let lease = given;
  try {
    if (isCompressed) lease = await leaseFor(bytes.length, given, options);
    const plain = isCompressed ? await decompress(bytes, encoding, options.readMaxBytes) : bytes;
    lease?.resize(plain.length);
    if (encoded?.has(schema) === true) return new EncodedMessage(plain, lease);
    const message = decode(schema, plain);
    lease?.resize(0);
    return message;
  } catch (error) {
    lease?.resize(0);
    throw error;
  }
}

/** How many times its bytes a message can be after decompression: deflate gives at most 258 bytes for 2 bits. */
const maxRatio = 1032;

/** The memory of a compressed message while it is decompressed, whose length is not known before. */
async function leaseFor(
  bytes: number,
  lease: MemoryLease | undefined,
  { readMaxBytes, memory }: ReadOptions,
): Promise<MemoryLease | undefined> {
  const most = Math.min(maxRatio * bytes, readMaxBytes);
  lease?.resize(most);
  return lease ?? memory?.tryAcquire(most) ?? memory?.acquire(most);
}

async function decompress(bytes: Uint8Array, encoding: unknown, maxBytes: number): Promise<Uint8Array> {
  // https://github.com/grpc/grpc/blob/master/doc/compression.md#compression-method-asymmetry-between-peers
  if (encoding !== "gzip")
    throw new ConnectError("protocol error: a message is compressed, and no header says how", Code.Internal);
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ERR_BUFFER_TOO_LARGE")
      throw new ConnectError(`decompress: ${reasonOf(error)}`, Code.Internal);
    const cause = new MessageTooLarge(maxBytes + 1, maxBytes);
    const message = `message is larger than the limit of ${maxBytes} bytes after decompression`;
    throw new ConnectError(message, Code.ResourceExhausted, undefined, undefined, cause);
  }
}

function decode(schema: DescMessage, bytes: Uint8Array): unknown {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new ConnectError(`parse binary: ${reasonOf(error)}`, Code.Internal);
  }
}

/** What an answer is that ends within a message. */
export function incomplete(): ConnectError {
  return new ConnectError("protocol error: the last message is incomplete", Code.Internal);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
