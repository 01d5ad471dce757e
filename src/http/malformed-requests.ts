import { STATUS_CODES } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { traceContextFrom, traceFields } from "../telemetry/trace-context.ts";
import { lingeringClose } from "./connections.ts";
import type { Connections } from "./connections.ts";
import { errorText } from "./error-handler.ts";

/** What Node's server knows of an error on a connection: the parser's words and the bytes that it failed on. */
interface ConnectionError extends Error {
  readonly code?: string;
  readonly reason?: string;
  readonly rawPacket?: Buffer;
}

/** Answers what is no request that could be passed on. */
interface MalformedRequests {
  /** For Node's `clientError`: bytes that are not HTTP, and requests that do not come to their end. */
  onClientError(error: Error, socket: Socket): void;
  /** For Node's `connect`: the gateway is no proxy. */
  onConnect(req: IncomingMessage, socket: Socket): void;
}

/**
 * Answers with the one error body and closes the connection, once the requests before are answered whole, event streams
 * and downloads too (RFC 9112 §9.3.2). An answer to a request whose own body is refused is broken off, where it has
 * begun. Of an error no more than its code is logged: it carries the client's bytes, the token among them.
 */
export function createMalformedRequests(
  connections: Connections,
  logger: Logger,
  metrics: Metrics,
): MalformedRequests {
  function refuse(socket: Socket, refusal: HttpError, reason: string): void {
    connections.finishAfterAnswers(socket, function finish(broken) {
      const trace = traceContextFrom(undefined, undefined);
      const { status, headers, text } = errorText(refusal, { safeToRepeat: false, traceId: trace.traceId });
      const [served] = connections.unanswered(socket);
      // Else another answer to the same request is on its way.
      const mayAnswer = broken?.res.headersSent !== true;
      logger.info(
        {
          event: "malformed_request.rejected",
          ...traceFields(trace),
          ...(mayAnswer ? { status } : {}),
          reason,
        },
        "malformed_request.rejected",
      );
      // A request that is being served is counted by what becomes of it.
      if (served === undefined) metrics.countUnrouted(status);
      if (!mayAnswer) return void broken.res.destroy();
      socket.write(responseText(status, headers, text));
      lingeringClose(socket);
      // What was begun for the request stops at once; its connection lasts until the client has read the answer.
      broken?.res.detachSocket(socket);
      broken?.res.destroy(refusal);
    });
  }

  return {
    onClientError(error, socket) {
      // The parser goes on failing while the connection is being closed.
      if (!socket.writable) return;
      const refusal = httpErrorFrom(error);
      if (refusal === undefined) socket.destroy();
      else refuse(socket, refusal, (error as ConnectionError).code ?? "");
    },
    onConnect(_req, socket) {
      // Node has let go of the socket, its errors included.
      socket.on("error", () => socket.destroy());
      // An event stream before it may be waiting for the client to read, and Node no longer tells when that happens.
      socket.on("drain", () => connections.unanswered(socket)[0]?.res.emit("drain"));
      refuse(
        socket,
        new HttpError(Code.InvalidArgument, "CONNECT is not served: this is no proxy"),
        "CONNECT",
      );
    },
  };
}

const parserErrors = /^HPE_(?!INVALID_EOF_STATE$)/;

/** The answer to an error of a connection; undefined where the client has gone. */
function httpErrorFrom(error: ConnectionError): HttpError | undefined {
  const { code = "", reason, rawPacket } = error;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new HttpError(Code.InvalidArgument, "the request was not complete in time", { status: 408 });
  }
  if (code === "HPE_HEADER_OVERFLOW") {
    // What overflows can only be told in the request's first packet.
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

/** The first packet of a request whose target is what is too large. */
const longTarget = /^[A-Z]+ [^\r\n]{8192}/;

function responseText(status: number, headers: Readonly<Record<string, string>>, body: string): string {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    `Date: ${new Date().toUTCString()}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "Connection: close",
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}
