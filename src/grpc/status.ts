import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus, findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { headersFrom } from "./metadata.ts";
import type { HeaderFields } from "./http2/index.ts";

/** The content types of gRPC with protobuf messages. */
const grpcProto = /^application\/grpc(\+proto)?$/i;

/** The error if the response cannot be read: the status is not 200, it is not gRPC, or its encoding is not supported. */
export function headerError(status: number, headers: HeaderFields): ConnectError | undefined {
  if (status !== 200)
    return new ConnectError(`HTTP ${status}`, codeFromHttpStatus(status), headersFrom(headers));
  const contentType = headers["content-type"];
  if (contentType === undefined || !grpcProto.test(contentType)) {
    return new ConnectError(`unsupported content type ${contentType ?? "(none)"}`, Code.Unknown);
  }
  const encoding = headers["grpc-encoding"] ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip") {
    const message = `unsupported response encoding ${JSON.stringify(encoding)}`;
    return new ConnectError(message, Code.Internal, headersFrom(headers));
  }
  return undefined;
}

/** Connect's codes by their names. */
const namedCodes = Object.entries(Code).filter(
  (entry): entry is [string, Code] => typeof entry[1] !== "string",
);

/** The code of each gRPC status except OK. */
const codes: ReadonlyMap<unknown, Code> = new Map(
  // This side ignores the status of calls that it cancels. In other calls the server uses CANCELLED to drop the call, as
  // many servers do at a shutdown.
  namedCodes.map(([, code]) => [code, code === Code.Canceled ? Code.Unavailable : code]),
);

/**
 * The error of a call, or undefined if its status is OK. `trailers` contain the status; `header` only adds to the error's
 * metadata, as in Connect. A missing or unknown status is Internal. CANCELLED is Unavailable, since the call was lost.
 */
export function statusError(
  trailers: HeaderFields,
  header: HeaderFields | undefined,
): ConnectError | undefined {
  const status = trailers["grpc-status"];
  const rich = richError(trailers["grpc-status-details-bin"]);
  const richCode = codes.get(rich?.code);
  if (status === "0" && richCode === undefined) return undefined;

  const metadata = headersFrom(trailers, header === trailers ? undefined : header);
  if (rich !== undefined && richCode !== undefined) {
    const error = new ConnectError(rich.rawMessage, richCode, metadata);
    error.details = rich.details;
    return error;
  }
  const code = status !== undefined && /^\d+$/.test(status) ? codes.get(Number(status)) : undefined;
  if (code !== undefined) return new ConnectError(percentDecoded(trailers["grpc-message"]), code, metadata);
  const violation = status === undefined ? "missing status" : `invalid grpc-status ${status}`;
  return new ConnectError(`protocol error: ${violation}`, Code.Internal, metadata);
}

/**
 * The error in a `grpc-status-details-bin` header; undefined if it is OK or cannot be parsed: then grpc-status applies.
 * Connect's `findTrailerError` for the whole trailer would let such a header hide grpc-status.
 */
function richError(details: string | undefined): ConnectError | undefined {
  if (details === undefined) return undefined;
  try {
    return findTrailerError(new Headers({ "grpc-status-details-bin": details }));
  } catch {
    return undefined;
  }
}

/** Whether the status is CANCELLED: the server dropped the call. */
export function isCancelled(header: HeaderFields): boolean {
  return header["grpc-status"] === String(Code.Canceled);
}

/** Decodes a grpc-message. Returns it as received if its percent-encoding is not valid, as gRPC requires. */
function percentDecoded(header: string | undefined): string {
  const message = header ?? "";
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

/** gRPC's names of the codes. Connect spells CANCELLED with one L. */
const codeNames: ReadonlyMap<Code, string> = new Map(
  namedCodes.map(([name, code]) => [
    code,
    name
      .replace("Canceled", "Cancelled")
      .replace(/\B[A-Z]/g, "_$&")
      .toUpperCase(),
  ]),
);

/** The name of an error's code, such as NOT_FOUND; UNKNOWN if the error has no gRPC code. */
export function codeNameOf(error: unknown): string {
  return codeNames.get(ConnectError.from(error).code) ?? "UNKNOWN";
}
