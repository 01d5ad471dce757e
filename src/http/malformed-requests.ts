import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import { http } from "../node-http.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { requestIdHeader, traceContextFrom, traceFields } from "../telemetry/trace-context.ts";
import { addBodyBytes } from "./body-bytes.ts";
import { lingeringClose } from "./connections.ts";
import type { Connections } from "./connections.ts";
import { errorText } from "../errors/error-response.ts";

/** An error of Node's HTTP parser or of a timeout, with the bytes that it failed on. */
interface ConnectionError extends Error {
  readonly code?: string;
  readonly reason?: string;
  readonly rawPacket?: Buffer;
}

/** Responds to what never becomes a request for the pipeline. */
interface MalformedRequests {
  /** Listener for Node's `clientError`: bytes that are not HTTP, and requests that are not complete in time. */
  onClientError(error: Error, socket: Socket): void;
  /** Listener for Node's `connect`: the gateway is not a proxy. */
  onConnect(req: IncomingMessage, socket: Socket): void;
}

/**
 * Responds with the error body of the API and closes the connection, after the responses to the requests before, event
 * streams and downloads included (RFC 9112 §9.3.2). A response to a request whose own body is malformed is aborted if it
 * has begun. Only the code of an error is logged: the error has the client's bytes, including its token.
 */
export function createMalformedRequests(
  connections: Connections,
  logger: Logger,
  metrics: Metrics,
): MalformedRequests {
  function reject(socket: Socket, error: HttpError, reason: string): void {
    connections.closeAfterResponses(socket, function respondAndClose(incomplete) {
      const trace = traceContextFrom(undefined, undefined);
      const { status, headers, text } = errorText(error, { isIdempotent: false, traceId: trace.traceId });
      const isServing = connections.pending(socket).length > 0;
      const canRespond = incomplete?.res.headersSent !== true;
      logger.info(
        {
          event: "malformed_request.rejected",
          ...traceFields(trace),
          ...(canRespond ? { status } : {}),
          reason,
        },
        "malformed_request.rejected",
      );
      // A request that is being served is counted with its own status.
      if (!isServing) metrics.countUnmatched(status);
      if (!canRespond) return void incomplete.res.destroy();
      if (incomplete !== undefined) addBodyBytes(incomplete.res, Buffer.byteLength(text));
      socket.write(responseText(status, { ...headers, [requestIdHeader]: trace.traceId }, text));
      lingeringClose(socket);
      // The work for the request stops at once; its connection lasts until the client has read the response.
      incomplete?.res.detachSocket(socket);
      incomplete?.res.destroy(error);
    });
  }

  return {
    onClientError(error, socket) {
      // The parser reports more errors while the connection is being closed.
      if (!socket.writable) return;
      const httpError = httpErrorFrom(error);
      if (httpError === undefined) socket.destroy();
      else reject(socket, httpError, (error as ConnectionError).code ?? "");
    },
    onConnect(_req, socket) {
      // Node has removed its listeners from the socket, including the one for errors.
      socket.on("error", () => socket.destroy());
      // A response before it may be waiting for `drain`, which Node no longer forwards.
      socket.on("drain", () => connections.pending(socket)[0]?.res.emit("drain"));
      reject(
        socket,
        new HttpError(Code.InvalidArgument, "CONNECT is not supported: the gateway is not a proxy"),
        "CONNECT",
      );
    },
  };
}

const parserErrors = /^HPE_(?!INVALID_EOF_STATE$)/;

/** The response to an error of a connection; undefined when the client has closed it. */
function httpErrorFrom(error: ConnectionError): HttpError | undefined {
  const { code = "", reason, rawPacket } = error;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new HttpError(Code.InvalidArgument, "the request was not complete in time", { status: 408 });
  }
  if (code === "HPE_HEADER_OVERFLOW") {
    // Only the request's first packet shows whether it is the target that is too long.
    return rawPacket !== undefined && longTarget.test(rawPacket.toString("latin1"))
      ? new HttpError(Code.InvalidArgument, "the request target is too long", { status: 414 })
      : new HttpError(Code.InvalidArgument, "the headers are too large", { status: 431 });
  }
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW") {
    return new HttpError(Code.InvalidArgument, "the chunk extensions are too large", { status: 413 });
  }
  if (!parserErrors.test(code)) return undefined;
  return new HttpError(Code.InvalidArgument, `the request is not HTTP/1.1: ${reason ?? code}`);
}

/** The first packet of a request with a target that is too long. */
const longTarget = /^[A-Z]+ [^\r\n]{8192}/;

function responseText(status: number, headers: Readonly<Record<string, string>>, body: string): string {
  const lines = [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ""}`,
    `Date: ${new Date().toUTCString()}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "Connection: close",
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}
