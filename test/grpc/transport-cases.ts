import { gzipSync } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { frameOf } from "../../src/grpc/envelope.ts";
import { grpcMessage } from "./frame-server.ts";
import type { Peer } from "./frame-server.ts";
import { readMaxBytes } from "./transports.ts";

/** What the stock transport does otherwise, and why ours does not do so. */
interface StockDifference {
  readonly unary?: string;
  readonly stream?: string;
  readonly because: string;
  /** A deadline, where it would wait for ever. */
  readonly timeoutMs?: number;
}

/** How a call goes: the ids of the messages that came, and the name of its code; after " | " the error's text. */
export interface CallCase {
  readonly what: string;
  readonly serve: (peer: Peer) => void;
  readonly unary: string;
  readonly stream: string;
  readonly stock?: StockDifference;
}

const ok = { "grpc-status": "0" };
const html = Buffer.from("<html>");

/** Begins an answer. */
function begin(peer: Peer, fields: Record<string, string> = {}): void {
  peer.header({ ":status": "200", "content-type": "application/grpc", ...fields });
}

/** A whole answer: a header, messages, trailers. */
function answer(trailers: Record<string, string>, ...messages: Uint8Array[]): (peer: Peer) => void {
  return (peer) => {
    begin(peer);
    for (const message of messages) peer.data(message);
    peer.header(trailers, "ends");
  };
}

/** An answer that is one header block. */
function trailersOnly(trailers: Record<string, string>, status = "200", contentType = "application/grpc") {
  return (peer: Peer) => peer.header({ ":status": status, "content-type": contentType, ...trailers }, "ends");
}

/** A length-prefixed message with these flags. */
function frame(flags: number, message: Uint8Array): Uint8Array {
  const bytes = frameOf(message);
  bytes[0] = flags;
  return bytes;
}

/** The same, compressed. */
function gzipped(message: Uint8Array): Uint8Array {
  return frame(1, gzipSync(message));
}

/** The message of the id `w1`, with a field behind it that nobody knows; as long as this. */
function padded(length: number): Uint8Array {
  const head = new BinaryWriter().tag(1, WireType.LengthDelimited).string("w1").finish();
  const pad = (size: number) =>
    new BinaryWriter().tag(1000, WireType.LengthDelimited).bytes(Buffer.alloc(size)).finish();
  const prefixBytes = pad(length).length - length;
  return Buffer.concat([head, pad(length - head.length - prefixBytes)]);
}

const messages: readonly CallCase[] = [
  { what: "one message", serve: answer(ok, grpcMessage("w1")), unary: "w1 OK", stream: "w1 OK" },
  {
    what: "one message, byte by byte",
    serve: answer(ok, ...[...grpcMessage("w1")].map((byte) => Buffer.of(byte))),
    unary: "w1 OK",
    stream: "w1 OK",
  },
  {
    what: "an empty message",
    serve: answer(ok, Buffer.alloc(5)),
    unary: "- OK",
    stream: "- OK",
  },
  {
    what: "two messages, in one frame",
    serve: answer(ok, Buffer.concat([grpcMessage("w1"), grpcMessage("w2")])),
    unary: "Unimplemented",
    stream: "w1 w2 OK",
  },
  {
    what: "two messages, cut elsewhere than between them",
    serve: answer(
      ok,
      Buffer.concat([grpcMessage("w1"), grpcMessage("w2").subarray(0, 3)]),
      grpcMessage("w2").subarray(3),
    ),
    unary: "Unimplemented",
    stream: "w1 w2 OK",
  },
  { what: "no message", serve: answer(ok), unary: "Unimplemented", stream: "OK" },
  {
    what: "no message, the status in the header",
    serve: trailersOnly(ok),
    unary: "Unimplemented",
    stream: "OK",
    stock: { unary: "Unknown", because: "a missing message is Unimplemented, wherever the status is" },
  },
  {
    what: "junk for a message",
    serve: answer(ok, Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff])),
    unary: "Internal",
    stream: "Internal",
  },
  {
    what: "a message, and then part of one",
    serve: answer(ok, grpcMessage("w1"), grpcMessage("w2", { length: 9 })),
    unary: "Internal",
    stream: "w1 Internal",
    stock: {
      unary: "InvalidArgument",
      stream: "w1 InvalidArgument",
      because: "the fault is not the caller's; the conformance suite wants Internal",
    },
  },
  {
    what: "a compressed message, where no header says how",
    serve: answer(ok, grpcMessage("w1", { flags: 1 })),
    unary: "Internal",
    stream: "Internal",
  },
  {
    what: "a message compressed with gzip, where no header says so",
    serve: answer(ok, gzipped(Buffer.from("\x0a\x02w1"))),
    unary: "Internal",
    stream: "Internal",
  },
  {
    what: "a message over the limit",
    serve: answer(ok, grpcMessage("w1"), grpcMessage("w2", { length: 0xffffffff })),
    unary: "ResourceExhausted",
    stream: "w1 ResourceExhausted",
  },
];

/** A whole answer whose header says that messages may be compressed with gzip. */
function gzipAnswer(...messages: Uint8Array[]): (peer: Peer) => void {
  return (peer) => {
    begin(peer, { "grpc-encoding": "gzip" });
    for (const message of messages) peer.data(message);
    peer.header(ok, "ends");
  };
}

/** The stock transport is told to accept nothing compressed. */
const noGzip: StockDifference = {
  unary: "Internal",
  stream: "Internal",
  because: "a server may compress whatever it was told, and gzip is what every one of them has",
};

const compressed: readonly CallCase[] = [
  {
    what: "a message",
    serve: gzipAnswer(gzipped(Buffer.from("\x0a\x02w1"))),
    unary: "w1 OK",
    stream: "w1 OK",
    stock: noGzip,
  },
  {
    what: "an empty message",
    serve: gzipAnswer(gzipped(Buffer.alloc(0))),
    unary: "- OK",
    stream: "- OK",
    stock: noGzip,
  },
  {
    what: "one message of several, the others as they are",
    serve: gzipAnswer(grpcMessage("w1"), gzipped(Buffer.from("\x0a\x02w2")), grpcMessage("w3")),
    unary: "Unimplemented",
    stream: "w1 w2 w3 OK",
    stock: noGzip,
  },
  {
    what: "no message, though it was said",
    serve: gzipAnswer(grpcMessage("w1")),
    unary: "w1 OK",
    stream: "w1 OK",
    stock: noGzip,
  },
  {
    what: "what is no gzip",
    serve: gzipAnswer(grpcMessage("w1"), grpcMessage("w2", { flags: 1 })),
    unary: "Unimplemented",
    stream: "w1 Internal",
    stock: noGzip,
  },
  {
    what: "half of a gzip stream",
    serve: gzipAnswer(frame(1, gzipSync("\x0a\x02w1").subarray(0, 15))),
    unary: "Internal",
    stream: "Internal",
    stock: noGzip,
  },
  {
    what: "a message of exactly the limit",
    serve: gzipAnswer(gzipped(padded(readMaxBytes))),
    unary: "w1 OK",
    stream: "w1 OK",
    stock: noGzip,
  },
  {
    what: "a message that is over the limit once it is decompressed",
    serve: gzipAnswer(gzipped(padded(readMaxBytes + 1))),
    unary: "ResourceExhausted",
    stream: "ResourceExhausted",
    stock: noGzip,
  },
];

const statuses: readonly CallCase[] = [
  {
    what: "an error, with nothing before it",
    serve: answer({ "grpc-status": "5", "grpc-message": "no workflow %22%C3%A4%22" }),
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
    serve(peer) {
      begin(peer, { "grpc-status": "5", "grpc-message": "gone" });
      peer.data(Buffer.alloc(0), "ends");
    },
    unary: "NotFound | gone",
    stream: "NotFound | gone",
  },
  {
    what: "an error after a message",
    serve: answer({ "grpc-status": "10", "grpc-message": "moved" }, grpcMessage("w1")),
    unary: "Aborted | moved",
    stream: "w1 Aborted | moved",
  },
  {
    what: "an error without words",
    serve: answer({ "grpc-status": "7" }),
    unary: "PermissionDenied",
    stream: "PermissionDenied",
  },
  {
    what: "words that are not percent-encoded as they should be",
    serve: answer({ "grpc-status": "7", "grpc-message": "100%" }),
    unary: "PermissionDenied | 100%",
    stream: "PermissionDenied | 100%",
    stock: {
      unary: "Unknown | URI malformed",
      stream: "Unknown | URI malformed",
      because: "gRPC demands that such words never cost the status",
    },
  },
  {
    what: "a header status and another one in the trailers",
    serve(peer) {
      begin(peer, { "grpc-status": "8" });
      peer.header({ "grpc-status": "9" }, "ends");
    },
    unary: "FailedPrecondition",
    stream: "FailedPrecondition",
    stock: { stream: "ResourceExhausted", because: "a call has one status, in its last block" },
  },
  {
    what: "a header status before a message",
    serve(peer) {
      begin(peer, { "grpc-status": "9" });
      peer.data(grpcMessage("w1"), "ends");
    },
    unary: "Internal",
    stream: "w1 Internal",
    stock: {
      unary: "Unknown",
      stream: "FailedPrecondition",
      because: "a status before messages is none; the conformance suite wants Internal",
    },
  },
  {
    what: "trailers without status",
    serve: answer({ "grpc-message": "x" }, grpcMessage("w1")),
    unary: "Internal",
    stream: "w1 Internal",
  },
  ...["99", "-1", "00", "0x5", "abc", "NotFound", ""].map((status): CallCase => ({
    what: `the status ${JSON.stringify(status)}`,
    serve: answer({ "grpc-status": status }),
    unary: "Internal",
    stream: "Internal",
  })),
  ...["5.0", "5e0"].map((status): CallCase => ({
    what: `the status ${JSON.stringify(status)}`,
    serve: answer({ "grpc-status": status }),
    unary: "Internal",
    stream: "Internal",
    stock: { unary: "NotFound", stream: "NotFound", because: "a status is a decimal number without more" },
  })),
];

const details: readonly CallCase[] = [
  {
    what: "a status with details, which goes before the plain one",
    serve: answer({ "grpc-status": "5", "grpc-status-details-bin": richStatus(9, "rich") }),
    unary: "FailedPrecondition | rich",
    stream: "FailedPrecondition | rich",
  },
  {
    what: "details of an error beside the status OK",
    serve: answer({ "grpc-status": "0", "grpc-status-details-bin": richStatus(9, "rich") }),
    unary: "FailedPrecondition | rich",
    stream: "FailedPrecondition | rich",
  },
  {
    what: "details that are no base64",
    serve: answer({ "grpc-status": "5", "grpc-message": "plain", "grpc-status-details-bin": "%%%" }),
    unary: "NotFound | plain",
    stream: "NotFound | plain",
    stock: {
      unary: "DataLoss | invalid base64 string",
      stream: "DataLoss | invalid base64 string",
      because: "details only add to a status",
    },
  },
  {
    what: "details that are OK, beside an error",
    serve: answer({ "grpc-status": "5", "grpc-message": "plain", "grpc-status-details-bin": "" }),
    unary: "NotFound | plain",
    stream: "NotFound | plain",
    stock: { unary: "Unimplemented", stream: "OK", because: "details do not make an error a success" },
  },
  {
    what: "details with a code that gRPC does not have",
    serve: answer({ "grpc-status": "99", "grpc-status-details-bin": richStatus(99, "odd") }),
    unary: "Internal",
    stream: "Internal",
    stock: {
      unary: "99 | odd",
      stream: "99 | odd",
      because: "such a code is Internal wherever it is told, as it is in grpc-status",
    },
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
    serve(peer) {
      peer.header({ ":status": status, "content-type": "text/html" });
      peer.data(html, "ends");
    },
    unary: `${code} | HTTP ${status}`,
    stream: `${code} | HTTP ${status}`,
  })),
  {
    what: "HTTP 503, and no more than that",
    serve: trailersOnly({}, "503"),
    unary: "Unavailable | HTTP 503",
    stream: "Unavailable | HTTP 503",
  },
  ...["text/html", "application/json", "application/grpc-web+proto", "application/grpcx"].map(
    (contentType): CallCase => ({
      what: `the content type ${contentType}`,
      serve(peer) {
        peer.header({ ":status": "200", "content-type": contentType });
        peer.data(html, "ends");
      },
      unary: "Unknown",
      stream: "Unknown",
    }),
  ),
  {
    what: "the content type application/grpc+json",
    serve(peer) {
      peer.header({ ":status": "200", "content-type": "application/grpc+json" });
      peer.data(Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]));
      peer.header(ok, "ends");
    },
    unary: "Unknown",
    stream: "Unknown",
    stock: {
      unary: "Internal",
      stream: "Internal",
      because: "it reads JSON as protobuf; no message of ours is JSON",
    },
  },
  {
    what: "an encoding that is not known here",
    serve(peer) {
      begin(peer, { "grpc-encoding": "snappy" });
      peer.data(grpcMessage("w1"));
      peer.header(ok, "ends");
    },
    unary: "Internal",
    stream: "Internal",
  },
  {
    what: "the encoding identity, and a header before the header",
    serve(peer) {
      peer.header({ ":status": "103" });
      begin(peer, { "grpc-encoding": "identity" });
      peer.data(grpcMessage("w1"));
      peer.header(ok, "ends");
    },
    unary: "w1 OK",
    stream: "w1 OK",
  },
];

/** Why the stock transport's answer to a loss is not ours. */
const lost = "a call that ended without status was lost, and may be tried again";

/** Why its answer to CANCELLED is not ours. */
const dropped = "a call that nobody here has cancelled was dropped by the server, and may be tried again";

const cancelled = { "grpc-status": "1", "grpc-message": "shutting down" };

/** What the stock transport makes of a reset. */
const resetTold = (code: number) => (code === 8 ? "Canceled" : "Internal");

const losses: readonly CallCase[] = [
  {
    what: "a message, and an end without trailers",
    serve(peer) {
      begin(peer);
      peer.data(grpcMessage("w1"), "ends");
    },
    unary: "Unavailable",
    stream: "w1 Unavailable",
    stock: { unary: "Internal", stream: "w1 Internal", because: lost },
  },
  ...(
    [
      ["in the header", trailersOnly(cancelled), "Unavailable | shutting down"],
      ["in the trailers", answer(cancelled), "Unavailable | shutting down"],
      ["in details", answer({ "grpc-status-details-bin": richStatus(1, "bye") }), "Unavailable | bye"],
    ] as const
  ).map(([where, serve, told]): CallCase => {
    const byStock = told.replace("Unavailable", "Canceled");
    return {
      what: `CANCELLED ${where}`,
      serve,
      unary: told,
      stream: told,
      stock: { unary: byStock, stream: byStock, because: dropped },
    };
  }),
  {
    what: "CANCELLED after a message",
    serve: answer(cancelled, grpcMessage("w1")),
    unary: "Unavailable | shutting down",
    stream: "w1 Unavailable | shutting down",
    stock: {
      unary: "Canceled | shutting down",
      stream: "w1 Canceled | shutting down",
      because: dropped,
    },
  },
  {
    what: "a reset with code 0, with nothing before it",
    serve: (peer) => peer.reset(0),
    unary: "Unavailable",
    stream: "Unavailable",
    stock: {
      unary: "DeadlineExceeded",
      stream: "DeadlineExceeded",
      because: "it waits for ever",
      timeoutMs: 20,
    },
  },
  ...[1, 5, 7, 8, 12, 13].map((code): CallCase => ({
    what: `a reset with code ${code}, with nothing before it`,
    serve: (peer) => peer.reset(code),
    unary: "Unavailable",
    stream: "Unavailable",
    stock: { unary: resetTold(code), stream: resetTold(code), because: lost },
  })),
  ...[2, 11].map((code): CallCase => ({
    what: `a reset with code ${code} each time, with nothing before it`,
    serve: (peer) => peer.reset(code),
    unary: "Internal",
    stream: "Internal",
  })),
  ...[0, 2, 7, 8].map((code): CallCase => ({
    what: `a reset with code ${code} after a header and a message`,
    serve(peer) {
      begin(peer);
      peer.data(grpcMessage("w1"));
      peer.reset(code);
    },
    unary: "Unavailable",
    stream: "w1 Unavailable",
    stock: { unary: resetTold(code), stream: `w1 ${resetTold(code)}`, because: lost },
  })),
  {
    what: "a whole answer, and then a reset",
    serve(peer) {
      answer({ "grpc-status": "5", "grpc-message": "gone" })(peer);
      peer.reset(8);
    },
    unary: "NotFound | gone",
    stream: "NotFound | gone",
  },
  {
    what: "a whole answer that is a success, and then a reset",
    serve(peer) {
      answer(ok, grpcMessage("w1"))(peer);
      peer.reset(2);
    },
    unary: "w1 OK",
    stream: "w1 OK",
  },
  {
    what: "the connection's end, with nothing before it",
    serve: (peer) => peer.hangUp(),
    unary: "Unavailable",
    stream: "Unavailable",
    stock: { unary: "Canceled", stream: "Canceled", because: lost },
  },
  {
    what: "the connection's end after a header and a message",
    serve(peer) {
      begin(peer);
      peer.data(grpcMessage("w1"));
      peer.hangUp();
    },
    unary: "Unavailable",
    stream: "w1 Unavailable",
    stock: { unary: "Canceled", stream: "w1 Canceled", because: lost },
  },
  {
    what: "a GOAWAY that leaves the call out",
    serve: (peer) => peer.goaway(0, 0),
    unary: "Unavailable",
    stream: "Unavailable",
    stock: { unary: "Internal", stream: "Internal", because: lost },
  },
  {
    what: "a GOAWAY that lets the call finish",
    serve(peer) {
      peer.goaway(peer.streamId, 0);
      answer(ok, grpcMessage("w1"))(peer);
    },
    unary: "w1 OK",
    stream: "w1 OK",
  },
  {
    what: "a GOAWAY with an error",
    serve: (peer) => peer.goaway(peer.streamId, 11),
    unary: "Unavailable",
    stream: "Unavailable",
    stock: { unary: "Internal", stream: "Internal", because: lost },
  },
  ...(
    [
      ["bytes that are no frames", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
      ["a frame of a wrong size", Buffer.from([0, 0, 1, 3, 0, 0, 0, 0, 1, 0])],
      ["a header that is no HPACK", Buffer.from([0, 0, 2, 1, 4, 0, 0, 0, 1, 0xff, 0xff])],
    ] as const
  ).map(([what, bytes]): CallCase => ({
    what,
    serve: (peer) => peer.raw(bytes),
    unary: "Internal",
    stream: "Internal",
  })),
];

/** What a server may answer, right or wrong, by what it is about. */
export const callCases = {
  messages,
  "what may be compressed with gzip": compressed,
  "a status": [...statuses, ...details],
  "what is no gRPC": notGrpc,
  "a loss": losses,
} satisfies Record<string, readonly CallCase[]>;

/** A `google.rpc.Status` with one detail, a google.protobuf.Empty, as its header carries it. */
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
