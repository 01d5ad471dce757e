import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { headersFrom } from "./headers.ts";
import { richStatus } from "./rich-status.ts";

/** The content types of gRPC with protobuf messages. */
const grpcProto = /^application\/grpc(\+proto)?$/i;

/** https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
const httpStatusCodes: Readonly<Record<number, Code>> = {
  400: Code.Internal,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.Unimplemented,
  429: Code.Unavailable,
  502: Code.Unavailable,
  503: Code.Unavailable,
  504: Code.Unavailable,
};

/** Why response headers do not begin an answer that can be read: not 200, not gRPC, or encoded. */
export function headerError(
  headers: IncomingHttpHeaders & IncomingHttpStatusHeader,
): ConnectError | undefined {
  const status = headers[":status"];
  if (status !== 200) {
    const code = httpStatusCodes[status ?? 0] ?? Code.Unknown;
    return new ConnectError(`HTTP ${status ?? "without status"}`, code, headersFrom(headers));
  }
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

/** What gRPC's codes but OK mean here, by their numbers. */
const codes: ReadonlyMap<unknown, Code> = new Map(
  Object.values(Code)
    .filter((code) => typeof code !== "string")
    // What this side cancels waits for no status: the server has dropped the call, as many do when they shut down.
    .map((code) => [code, code === Code.Canceled ? Code.Unavailable : code]),
);

/**
 * The error that a call ended with, or undefined where its status is OK. `trailers` carry the status; `header`
 * only adds to the error's metadata, as Connect does. No status, or one that gRPC does not have, is Internal;
 * CANCELLED is Unavailable, since the call was lost.
 */
export function statusError(
  trailers: IncomingHttpHeaders,
  header: IncomingHttpHeaders | undefined,
): ConnectError | undefined {
  const status = trailers["grpc-status"];
  const rich = richStatus(trailers["grpc-status-details-bin"]);
  const richCode = codes.get(rich?.code);
  if (status === "0" && richCode === undefined) return undefined;

  const metadata = headersFrom(trailers, header === trailers ? undefined : header);
  if (rich !== undefined && richCode !== undefined) {
    const error = new ConnectError(rich.message, richCode, metadata);
    error.details = rich.details;
    return error;
  }
  const code = /^\d+$/.test(String(status)) ? codes.get(Number(status)) : undefined;
  if (code !== undefined) return new ConnectError(percentDecoded(trailers["grpc-message"]), code, metadata);
  const fault = status === undefined ? "missing status" : `invalid grpc-status ${String(status)}`;
  return new ConnectError(`protocol error: ${fault}`, Code.Internal, metadata);
}

/** Whether a header says that the server has dropped the call. */
export function isCancelled(header: IncomingHttpHeaders): boolean {
  return header["grpc-status"] === String(Code.Canceled);
}

/** A grpc-message; what is not percent-encoded as it should be stays as it came, as gRPC demands. */
function percentDecoded(header: string | string[] | undefined): string {
  const message = String(header ?? "");
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
