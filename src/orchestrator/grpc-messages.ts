import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { GrpcRequest } from "./grpc-call.ts";

/** A call of `method` with `input`; `pathPrefix` is the path of the endpoint, which is mostly empty. */
export function requestOf<I extends DescMessage>(
  pathPrefix: string,
  method: DescMethod & { readonly input: I },
  input: MessageInitShape<I>,
  options: Pick<GrpcRequest, "signal" | "timeoutMs" | "metadata">,
): GrpcRequest {
  const path = `${pathPrefix}/${method.parent.typeName}/${method.name}`;
  const { signal, timeoutMs, metadata } = options;
  const isRepeatable = method.idempotency === Idempotency.NO_SIDE_EFFECTS;
  return { path, message: encode(method.input, input), signal, timeoutMs, metadata, isRepeatable };
}

/** The bytes of a message; a value that does not fit its field is Internal. */
function encode<T extends DescMessage>(schema: T, message: MessageInitShape<T>): Uint8Array {
  try {
    return toBinary(schema, create(schema, message));
  } catch (error) {
    throw new ConnectError(`serialize binary: ${reasonOf(error)}`, Code.Internal);
  }
}

/** The message of received bytes; what is no such message is Internal. */
export function decode<T extends DescMessage>(schema: T, bytes: Uint8Array): MessageShape<T> {
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
