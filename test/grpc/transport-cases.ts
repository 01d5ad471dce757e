import { gzipSync } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { grpcMessage } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { readMaxBytes } from "./transports.ts";

/** The outcome of a call: the ids of the received messages, the name of its code, and after " | " the error's message. */
export interface CallCase {
  readonly what: string;
  readonly serve: (stream: ServerStream) => void;
  readonly unary: string;
  readonly stream: string;
}

const ok = { "grpc-status": "0" };
const html = Buffer.from("<html>");

/** Begins a response. */
function begin(stream: ServerStream, fields: Record<string, string> = {}): void {
  stream.header({ ":status": "200", "content-type": "application/grpc", ...fields });
}

/** A complete response: headers, messages, trailers. */
function respond(
  trailers: Record<string, string>,
  ...messages: Uint8Array[]
): (stream: ServerStream) => void {
  return (stream) => {
    begin(stream);
    for (const message of messages) stream.data(message);
    stream.header(trailers, "ends");
  };
}

/** A response that is one header block. */
function trailersOnly(trailers: Record<string, string>, status = "200", contentType = "application/grpc") {
  return (stream: ServerStream) =>
    stream.header({ ":status": status, "content-type": contentType, ...trailers }, "ends");
}

/** A length-prefixed message with these flags. */
function envelope(flags: number, message: Uint8Array): Uint8Array {
  const bytes = encodeEnvelope(message);
  bytes[0] = flags;
  return bytes;
}

/** A compressed length-prefixed message. */
function gzipped(message: Uint8Array): Uint8Array {
  return envelope(1, gzipSync(message));
}

/** The message of the id `w1`, followed by an unknown field, of this length. */
function padded(length: number): Uint8Array {
  const idField = new BinaryWriter().tag(1, WireType.LengthDelimited).string("w1").finish();
  const pad = (size: number) =>
    new BinaryWriter().tag(1000, WireType.LengthDelimited).bytes(Buffer.alloc(size)).finish();
  const prefixBytes = pad(length).length - length;
  return Buffer.concat([idField, pad(length - idField.length - prefixBytes)]);
}

const messages: readonly CallCase[] = [
  { what: "one message", serve: respond(ok, grpcMessage("w1")), unary: "w1 OK", stream: "w1 OK" },
  {
    what: "one message, byte by byte",
    serve: respond(ok, ...[...grpcMessage("w1")].map((byte) => Buffer.of(byte))),
    unary: "w1 OK",
    stream: "w1 OK",
  },
  {
    what: "an empty message",
    serve: respond(ok, Buffer.alloc(5)),
    unary: "- OK",
    stream: "- OK",
  },
  {
    what: "two messages, in one frame",
    serve: respond(ok, Buffer.concat([grpcMessage("w1"), grpcMessage("w2")])),
    unary: "Unimplemented",
    stream: "w1 w2 OK",
  },
  {
    what: "two messages, split within a message",
    serve: respond(
      ok,
      Buffer.concat([grpcMessage("w1"), grpcMessage("w2").subarray(0, 3)]),
      grpcMessage("w2").subarray(3),
    ),
    unary: "Unimplemented",
    stream: "w1 w2 OK",
  },
  { what: "no message", serve: respond(ok), unary: "Unimplemented", stream: "OK" },
  {
    what: "no message, the status in the header",
    serve: trailersOnly(ok),
    unary: "Unimplemented",
    stream: "OK",
    // A missing message is Unimplemented, wherever the status is.
  },
  {
    what: "bytes that are no message",
    serve: respond(ok, Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff])),
    unary: "Internal",
    stream: "Internal",
  },
  {
    what: "a message and a part of one",
    serve: respond(ok, grpcMessage("w1"), grpcMessage("w2", { length: 9 })),
    unary: "Internal",
    stream: "w1 Internal",
    // Not InvalidArgument: the caller did nothing wrong. The conformance suite requires Internal.
  },
  {
    what: "a compressed message without a header that names the encoding",
    serve: respond(ok, grpcMessage("w1", { flags: 1 })),
    unary: "Internal",
    stream: "Internal",
  },
  {
    what: "a gzip message without a header that names the encoding",
    serve: respond(ok, gzipped(Buffer.from("\x0a\x02w1"))),
    unary: "Internal",
    stream: "Internal",
  },
  {
    what: "a message over the limit",
    serve: respond(ok, grpcMessage("w1"), grpcMessage("w2", { length: 0xffffffff })),
    unary: "ResourceExhausted",
    stream: "w1 ResourceExhausted",
  },
];

/** A complete response whose header says that messages may be compressed with gzip. */
function respondGzip(...messages: Uint8Array[]): (stream: ServerStream) => void {
  return (stream) => {
    begin(stream, { "grpc-encoding": "gzip" });
    for (const message of messages) stream.data(message);
    stream.header(ok, "ends");
  };
}

/** A server may use every compression that the client accepts; every server has gzip. */
const compressed: readonly CallCase[] = [
  {
    what: "a message",
    serve: respondGzip(gzipped(Buffer.from("\x0a\x02w1"))),
    unary: "w1 OK",
    stream: "w1 OK",
  },
  {
    what: "an empty message",
    serve: respondGzip(gzipped(Buffer.alloc(0))),
    unary: "- OK",
    stream: "- OK",
  },
  {
    what: "one message of several, the others as they are",
    serve: respondGzip(grpcMessage("w1"), gzipped(Buffer.from("\x0a\x02w2")), grpcMessage("w3")),
    unary: "Unimplemented",
    stream: "w1 w2 w3 OK",
  },
  {
    what: "no compressed message",
    serve: respondGzip(grpcMessage("w1")),
    unary: "w1 OK",
    stream: "w1 OK",
  },
  {
    what: "a message that is not gzip",
    serve: respondGzip(grpcMessage("w1"), grpcMessage("w2", { flags: 1 })),
    unary: "Unimplemented",
    stream: "w1 Internal",
  },
  {
    what: "half of a gzip stream",
    serve: respondGzip(envelope(1, gzipSync("\x0a\x02w1").subarray(0, 15))),
    unary: "Internal",
    stream: "Internal",
  },
  {
    what: "a message of exactly the limit",
    serve: respondGzip(gzipped(padded(readMaxBytes))),
    unary: "w1 OK",
    stream: "w1 OK",
  },
  {
    what: "a message that is over the limit once it is decompressed",
    serve: respondGzip(gzipped(padded(readMaxBytes + 1))),
    unary: "ResourceExhausted",
    stream: "ResourceExhausted",
  },
];

const statuses: readonly CallCase[] = [
  {
    what: "an error, with nothing before it",
    serve: respond({ "grpc-status": "5", "grpc-message": "no workflow %22%C3%A4%22" }),
    unary: 'NotFound | no workflow "ä"',
    stream: 'NotFound | no workflow "ä"',
  },
  {
    what: "an error in the header",
    serve: trailersOnly({ "grpc-status": "5", "grpc-message": "gone" }),
    unary: "NotFound | gone",
    stream: "NotFound | gone",
  },
  {
    what: "an error in a header that does not end the stream",
    serve(stream) {
      begin(stream, { "grpc-status": "5", "grpc-message": "gone" });
      stream.data(Buffer.alloc(0), "ends");
    },
    unary: "NotFound | gone",
    stream: "NotFound | gone",
  },
  {
    what: "an error after a message",
    serve: respond({ "grpc-status": "10", "grpc-message": "moved" }, grpcMessage("w1")),
    unary: "Aborted | moved",
    stream: "w1 Aborted | moved",
  },
  {
    what: "an error without a message",
    serve: respond({ "grpc-status": "7" }),
    unary: "PermissionDenied",
    stream: "PermissionDenied",
  },
  {
    what: "a message that is not percent-encoded correctly",
    serve: respond({ "grpc-status": "7", "grpc-message": "100%" }),
    unary: "PermissionDenied | 100%",
    stream: "PermissionDenied | 100%",
    // gRPC requires that such a message never costs the status.
  },
  {
    what: "a header status and another one in the trailers",
    serve(stream) {
      begin(stream, { "grpc-status": "8" });
      stream.header({ "grpc-status": "9" }, "ends");
    },
    unary: "FailedPrecondition",
    stream: "FailedPrecondition",
    // A call has one status, in its last block.
  },
  {
    what: "a header status before a message",
    serve(stream) {
      begin(stream, { "grpc-status": "9" });
      stream.data(grpcMessage("w1"), "ends");
    },
    unary: "Internal",
    stream: "w1 Internal",
    // A status before messages does not count; the conformance suite requires Internal.
  },
  {
    what: "trailers without status",
    serve: respond({ "grpc-message": "x" }, grpcMessage("w1")),
    unary: "Internal",
    stream: "w1 Internal",
  },
  ...["99", "-1", "00", "0x5", "abc", "NotFound", ""].map((status): CallCase => ({
    what: `the status ${JSON.stringify(status)}`,
    serve: respond({ "grpc-status": status }),
    unary: "Internal",
    stream: "Internal",
  })),
  ...["5.0", "5e0"].map((status): CallCase => ({
    what: `the status ${JSON.stringify(status)}`,
    serve: respond({ "grpc-status": status }),
    unary: "Internal",
    stream: "Internal",
    // A status is a decimal number without more.
  })),
];

const details: readonly CallCase[] = [
  {
    what: "a status with details, which goes before the plain one",
    serve: respond({ "grpc-status": "5", "grpc-status-details-bin": richStatus(9, "rich") }),
    unary: "FailedPrecondition | rich",
    stream: "FailedPrecondition | rich",
  },
  {
    what: "details of an error and the status OK",
    serve: respond({ "grpc-status": "0", "grpc-status-details-bin": richStatus(9, "rich") }),
    unary: "FailedPrecondition | rich",
    stream: "FailedPrecondition | rich",
  },
  {
    what: "details that are no base64",
    serve: respond({ "grpc-status": "5", "grpc-message": "plain", "grpc-status-details-bin": "%%%" }),
    unary: "NotFound | plain",
    stream: "NotFound | plain",
    // Details only add to a status.
  },
  {
    what: "details with the code OK, and an error",
    serve: respond({ "grpc-status": "5", "grpc-message": "plain", "grpc-status-details-bin": "" }),
    unary: "NotFound | plain",
    stream: "NotFound | plain",
    // Details do not make an error a success.
  },
  {
    what: "details with a code that gRPC does not have",
    serve: respond({ "grpc-status": "99", "grpc-status-details-bin": richStatus(99, "odd") }),
    unary: "Internal",
    stream: "Internal",
    // Such a code is Internal, as it is in grpc-status.
  },
];

const notGrpc: readonly CallCase[] = [
  ...(
    [
      ["400", "Internal"],
      ["401", "Unauthenticated"],
      ["403", "PermissionDenied"],
      ["404", "Unimplemented"],
      ["418", "Unknown"],
      ["429", "Unavailable"],
      ["500", "Unknown"],
      ["502", "Unavailable"],
      ["503", "Unavailable"],
      ["504", "Unavailable"],
    ] as const
  ).map(([status, code]): CallCase => ({
    what: `HTTP ${status}, with a page`,
    serve(stream) {
      stream.header({ ":status": status, "content-type": "text/html" });
      stream.data(html, "ends");
    },
    unary: `${code} | HTTP ${status}`,
    stream: `${code} | HTTP ${status}`,
  })),
  {
    what: "HTTP 503 without a body",
    serve: trailersOnly({}, "503"),
    unary: "Unavailable | HTTP 503",
    stream: "Unavailable | HTTP 503",
  },
  ...["text/html", "application/json", "application/grpc-web+proto", "application/grpcx"].map(
    (contentType): CallCase => ({
      what: `the content type ${contentType}`,
      serve(stream) {
        stream.header({ ":status": "200", "content-type": contentType });
        stream.data(html, "ends");
      },
      unary: "Unknown",
      stream: "Unknown",
    }),
  ),
  {
    what: "the content type application/grpc+json",
    serve(stream) {
      stream.header({ ":status": "200", "content-type": "application/grpc+json" });
      stream.data(Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]));
      stream.header(ok, "ends");
    },
    unary: "Unknown",
    stream: "Unknown",
  },
  {
    what: "an unknown encoding",
    serve(stream) {
      begin(stream, { "grpc-encoding": "snappy" });
      stream.data(grpcMessage("w1"));
      stream.header(ok, "ends");
    },
    unary: "Internal",
    stream: "Internal",
  },
  {
    what: "the encoding identity, and a header before the header",
    serve(stream) {
      stream.header({ ":status": "103" });
      begin(stream, { "grpc-encoding": "identity" });
      stream.data(grpcMessage("w1"));
      stream.header(ok, "ends");
    },
    unary: "w1 OK",
    stream: "w1 OK",
  },
];

const cancelled = { "grpc-status": "1", "grpc-message": "shutting down" };

/** Streams that end without a status, and CANCELLED without a cancellation by the client. */
const lostStreams: readonly CallCase[] = [
  {
    what: "a message and an end without trailers",
    serve(stream) {
      begin(stream);
      stream.data(grpcMessage("w1"), "ends");
    },
    unary: "Unavailable",
    stream: "w1 Unavailable",
  },
  ...(
    [
      ["in the header", trailersOnly(cancelled), "Unavailable | shutting down"],
      ["in the trailers", respond(cancelled), "Unavailable | shutting down"],
      ["in details", respond({ "grpc-status-details-bin": richStatus(1, "bye") }), "Unavailable | bye"],
    ] as const
  ).map(([where, serve, told]): CallCase => {
    return {
      what: `CANCELLED ${where}`,
      serve,
      unary: told,
      stream: told,
    };
  }),
  {
    what: "CANCELLED after a message",
    serve: respond(cancelled, grpcMessage("w1")),
    unary: "Unavailable | shutting down",
    stream: "w1 Unavailable | shutting down",
  },
  {
    what: "a reset with code 0, with nothing before it",
    serve: (stream) => stream.reset(0),
    unary: "Unavailable",
    stream: "Unavailable",
  },
  ...[1, 5, 7, 8, 12, 13].map((code): CallCase => ({
    what: `a reset with code ${code}, with nothing before it`,
    serve: (stream) => stream.reset(code),
    unary: "Unavailable",
    stream: "Unavailable",
  })),
  ...[2, 11].map((code): CallCase => ({
    what: `a reset with code ${code} each time, with nothing before it`,
    serve: (stream) => stream.reset(code),
    unary: "Internal",
    stream: "Internal",
  })),
  ...[0, 2, 7, 8].map((code): CallCase => ({
    what: `a reset with code ${code} after a header and a message`,
    serve(stream) {
      begin(stream);
      stream.data(grpcMessage("w1"));
      stream.reset(code);
    },
    unary: "Unavailable",
    stream: "w1 Unavailable",
  })),
  {
    what: "a complete response, and then a reset",
    serve(stream) {
      respond({ "grpc-status": "5", "grpc-message": "gone" })(stream);
      stream.reset(8);
    },
    unary: "NotFound | gone",
    stream: "NotFound | gone",
  },
  {
    what: "a complete response that is a success, and then a reset",
    serve(stream) {
      respond(ok, grpcMessage("w1"))(stream);
      stream.reset(2);
    },
    unary: "w1 OK",
    stream: "w1 OK",
  },
  {
    what: "the end of the connection, with nothing before it",
    serve: (stream) => stream.endConnection(),
    unary: "Unavailable",
    stream: "Unavailable",
  },
  {
    what: "the end of the connection after a header and a message",
    serve(stream) {
      begin(stream);
      stream.data(grpcMessage("w1"));
      stream.endConnection();
    },
    unary: "Unavailable",
    stream: "w1 Unavailable",
  },
  {
    what: "a GOAWAY that excludes the call",
    serve: (stream) => stream.goaway(0, 0),
    unary: "Unavailable",
    stream: "Unavailable",
  },
  {
    what: "a GOAWAY that lets the call finish",
    serve(stream) {
      stream.goaway(stream.streamId, 0);
      respond(ok, grpcMessage("w1"))(stream);
    },
    unary: "w1 OK",
    stream: "w1 OK",
  },
  {
    what: "a GOAWAY with an error",
    serve: (stream) => stream.goaway(stream.streamId, 11),
    unary: "Unavailable",
    stream: "Unavailable",
  },
  ...(
    [
      ["bytes that are no frames", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
      ["a envelope of a wrong size", Buffer.from([0, 0, 1, 3, 0, 0, 0, 0, 1, 0])],
      ["a header that is no HPACK", Buffer.from([0, 0, 2, 1, 4, 0, 0, 0, 1, 0xff, 0xff])],
    ] as const
  ).map(([what, bytes]): CallCase => ({
    what,
    serve: (stream) => stream.raw(bytes),
    unary: "Internal",
    stream: "Internal",
  })),
];

/** Responses of a server, valid and invalid, by topic. */
export const callCases = {
  messages,
  "a gzip response of": compressed,
  "a status": [...statuses, ...details],
  "responses that are not gRPC": notGrpc,
  "a lost stream": lostStreams,
} satisfies Record<string, readonly CallCase[]>;

/** A `google.rpc.Status` with one detail, a google.protobuf.Empty, as a header value. */
export function richStatus(code: number, message: string): string {
  const detail = new BinaryWriter()
    .uint32((1 << 3) | 2)
    .string("type.googleapis.com/google.protobuf.Empty")
    .finish();
  const status = new BinaryWriter()
    .uint32(1 << 3)
    .int32(code)
    .uint32((2 << 3) | 2)
    .string(message);
  return Buffer.from(
    status
      .uint32((3 << 3) | 2)
      .bytes(detail)
      .finish(),
  ).toString("base64");
}
