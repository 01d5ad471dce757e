import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { EncodedMessage } from "./encoded-message.ts";
import type { CallRequest } from "./call.ts";
import { tooLarge } from "./envelope.ts";
import type { Envelope } from "./envelope.ts";
import { smallMessageBytes } from "./message-memory.ts";
import type { MemoryLease, MessageMemory } from "./message-memory.ts";

/** A call of `method` with the message `input` or its bytes. `pathPrefix` is the path of the endpoint, usually empty. */
export function createRequest<I extends DescMessage>(
  pathPrefix: string,
  method: DescMethod & { readonly input: I },
  input: MessageInitShape<I> | Uint8Array,
  options: Pick<CallRequest, "signal" | "timeoutMs" | "metadata">,
): CallRequest {
  const path = `${pathPrefix}/${method.parent.typeName}/${method.name}`;
  const { signal, timeoutMs, metadata } = options;
  const hasNoSideEffects = method.idempotency === Idempotency.NO_SIDE_EFFECTS;
  const message = input instanceof Uint8Array ? input : encode(method.input, input);
  return { path, message, signal, timeoutMs, metadata, hasNoSideEffects };
}

/** The bytes of a message. Throws Internal if a value does not fit its field. */
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
  /** Bounds the memory of received messages; unbounded by default. */
  readonly memory?: MessageMemory | undefined;
  /** The owner of the messages, for the order in which they wait for memory. */
  readonly owner?: string | undefined;
  /** The message types that are returned as an EncodedMessage. */
  readonly encoded?: ReadonlySet<DescMessage> | undefined;
  /** The largest message of the other types, in bytes. Decoded objects may need many times as much memory. */
  readonly maxDecodedBytes?: number;
}

/** The largest accepted message of a type, in bytes. */
export function maxBytesOf(
  schema: DescMessage,
  { readMaxBytes, encoded, maxDecodedBytes = readMaxBytes }: ReadOptions,
): number {
  return encoded?.has(schema) === true ? readMaxBytes : Math.min(readMaxBytes, maxDecodedBytes);
}

/**
 * Decodes the message of an envelope, unless its type stays encoded. Returns a promise of it if it is compressed: most
 * are not, and need none. `encoding` is the `grpc-encoding` of the response. Throws, or rejects with, Internal if the
 * bytes are not such a message.
 */
export function openEnvelope(
  schema: DescMessage,
  envelope: Envelope,
  encoding: unknown,
  options: ReadOptions,
): unknown {
  return envelope.isCompressed
    ? decompressEnvelope(schema, envelope, encoding, options)
    : messageFrom(schema, envelope.bytes, envelope.lease, options);
}

async function decompressEnvelope(
  schema: DescMessage,
  { bytes, lease: received }: Envelope,
  encoding: unknown,
  options: ReadOptions,
): Promise<unknown> {
  let lease = received;
  let plain: Uint8Array;
  try {
    const length = decompressedLengthOf(bytes, encoding, maxBytesOf(schema, options));
    lease = await leaseFor(length, received, options);
    plain = await decompress(bytes, length);
  } catch (error) {
    lease?.resize(0);
    throw error;
  }
  return messageFrom(schema, plain, lease, options);
}

function messageFrom(
  schema: DescMessage,
  bytes: Uint8Array,
  lease: MemoryLease | undefined,
  { encoded }: ReadOptions,
): unknown {
  if (encoded?.has(schema) === true) return new EncodedMessage(bytes, lease);
  try {
    return decode(schema, bytes);
  } finally {
    lease?.resize(0);
  }
}

/** The first bytes of gzip (RFC 1952 §2.3.1). */
const gzipMagic = 0x1f8b;

/** The largest compression ratio of gzip: 2 bits of deflate can encode 258 bytes (RFC 1951 §3.2.5). */
const maxRatio = 1032;

/** The decompressed length, from the last four bytes of the gzip (ISIZE, RFC 1952 §2.3.1). */
function decompressedLengthOf(bytes: Uint8Array, encoding: unknown, maxBytes: number): number {
  // https://github.com/grpc/grpc/blob/master/doc/compression.md#compression-method-asymmetry-between-peers
  if (encoding !== "gzip")
    throw new ConnectError(
      "protocol error: a message is compressed, and no header names the encoding",
      Code.Internal,
    );
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.length < 4 || buffer.readUInt16BE() !== gzipMagic)
    throw new ConnectError("decompress: the message is not gzip", Code.Internal);
  const length = buffer.readUInt32LE(buffer.length - 4);
  if (length > maxRatio * buffer.length)
    throw new ConnectError("decompress: the gzip is incomplete", Code.Internal);
  if (length > maxBytes) throw tooLarge(length, maxBytes);
  return length;
}

/** Acquires the memory for the decompressed message. */
async function leaseFor(
  length: number,
  lease: MemoryLease | undefined,
  { memory, owner }: ReadOptions,
): Promise<MemoryLease | undefined> {
  lease?.resize(length);
  if (lease !== undefined || memory === undefined || length <= smallMessageBytes) return lease;
  try {
    return memory.tryAcquire(length) ?? (await memory.acquire(length, { owner }));
  } catch (error) {
    throw ConnectError.from(error, Code.Unavailable);
  }
}

/** Decompresses gzip. Throws Internal if the result is longer than `length`. */
async function decompress(bytes: Uint8Array, length: number): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: Math.max(length, 1) });
  } catch (error) {
    throw new ConnectError(`decompress: ${reasonOf(error)}`, Code.Internal);
  }
}

function decode(schema: DescMessage, bytes: Uint8Array): unknown {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new ConnectError(`parse binary: ${reasonOf(error)}`, Code.Internal);
  }
}

/** The error for a response that ends within a message. */
export function incomplete(): ConnectError {
  return new ConnectError("protocol error: the last message is incomplete", Code.Internal);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
