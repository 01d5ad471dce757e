import { EventEmitter, once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** An HTTP/2 frame that a client has sent. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** HTTP/2 frame types. */
export const frameType = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  continuation: 9,
} as const;

/** SETTINGS_HEADER_TABLE_SIZE of 0: the client sends every path as it is, so that it can be found. */
const noHeaderTable = Buffer.from([0, 1, 0, 0, 0, 0]);

/** `/grpc.health.v1.Health/Check`, as it is and by the Huffman code of HPACK, which node:http2 uses. */
const healthCheckPaths = [
  Buffer.from("/grpc.health.v1.Health/Check"),
  Buffer.from("626b2b22f394742675fb857c651d099d8bd3949d7f", "hex"),
];

/** The flag of a frame that ends its stream. */
const endStream = 1;
/** The flag of a SETTINGS or PING frame that acknowledges another. */
const ack = 1;
const endHeaders = 4;

/** The largest payload of a frame, until a client has allowed more. */
const maxFrameBytes = 16 * 1024;

/** The server's side of one stream, frame by frame; it can break the protocol. */
export interface ServerStream {
  readonly streamId: number;
  /** The number of its connection, counted from 1. */
  readonly connection: number;
  header(fields: Record<string, string>, ends?: "ends"): void;
  data(bytes: Uint8Array, ends?: "ends"): void;
  reset(code: number): void;
  /** `lastStreamId` is the last stream that the server processes. */
  goaway(lastStreamId: number, code: number, debugData?: string): void;
  /** Sends SETTINGS_MAX_CONCURRENT_STREAMS. */
  limit(maxStreams: number): void;
  raw(bytes: Uint8Array): void;
  /** Ends the server's side of the connection (FIN); no stream is ended. */
  endConnection(): void;
  /** Destroys the connection's socket. */
  destroyConnection(): void;
}

/** A server that exchanges HTTP/2 frames and implements nothing of gRPC. */
export interface FrameServer {
  readonly url: string;
  /** Called with each complete request. Tests replace it. */
  serve: (stream: ServerStream) => void;
  /** Called with each request once its headers are received. */
  serveEarly: (stream: ServerStream) => void;
  /** Called with every received frame. */
  onFrame: (received: Frame) => void;
  /** Called for every received health check. */
  onHealthCheck: () => void;
  /** SETTINGS_MAX_CONCURRENT_STREAMS of new connections; "no settings" sends no SETTINGS frame. */
  maxStreams: number | "no settings";
  /** Whether it acknowledges pings and, after the first, settings, and responds to health checks. Tests may change it. */
  responds: boolean;
  /** Whether it responds to health checks while `responds` is true; `serve` never gets them. */
  respondsToHealthChecks: boolean;
  /** Stops reading, as a frozen server does: connections that the client ends stay open. */
  freeze(): void;
  /** How many connections were ever accepted, and how many are open now. */
  readonly connections: { readonly ever: number; readonly now: number };
  /** Resolves with the next received frame of a type. */
  next(type: number): Promise<Frame>;
  close(): Promise<void>;
}

/** Starts a frame server on a free port. */
export async function startFrameServer(): Promise<FrameServer> {
  const arrivals = new EventEmitter();
  const sockets = new Set<Socket>();
  const healthChecks = new Set<string>();
  let ever = 0;
  const listener = createServer((socket) => {
    const connection = (ever += 1);
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    if (server.maxStreams !== "no settings") {
      const settings = Buffer.concat([noHeaderTable, limitSetting(server.maxStreams)]);
      socket.write(frame(frameType.settings, 0, 0, settings));
    }
    let hasAcknowledged = false;
    readFrames(socket, (received) => {
      const { type, flags, streamId, payload } = received;
      const needsAck = (type === frameType.settings || type === frameType.ping) && (flags & ack) === 0;
      if (needsAck && (server.responds || (!hasAcknowledged && server.maxStreams !== "no settings"))) {
        hasAcknowledged = true;
        socket.write(frame(type, ack, 0, type === frameType.ping ? payload : Buffer.alloc(0)));
      }
      const stream = serverStreamOf(socket, connection, streamId);
      const streamKey = `${connection} ${streamId}`;
      const isHealthCheck =
        type === frameType.headers && healthCheckPaths.some((path) => payload.includes(path));
      if (isHealthCheck) healthChecks.add(streamKey);
      else if (type === frameType.headers) server.serveEarly(stream);
      if (type === frameType.data && (flags & endStream) !== 0) {
        if (healthChecks.has(streamKey)) {
          server.onHealthCheck();
          if (server.responds && server.respondsToHealthChecks) stream.header(unimplemented, "ends");
        } else server.serve(stream);
      }
      server.onFrame(received);
      arrivals.emit(String(type), received);
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const server: FrameServer = {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    serve: () => undefined,
    serveEarly: () => undefined,
    onFrame: () => undefined,
    onHealthCheck: () => undefined,
    maxStreams: Infinity,
    responds: true,
    respondsToHealthChecks: true,
    freeze() {
      for (const socket of sockets) socket.pause();
    },
    get connections() {
      return { ever, now: sockets.size };
    },
    next: async (type) => ((await once(arrivals, String(type))) as [Frame])[0],
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return server;
}

/** The bytes of a gRPC message with one string in field 1, as Workflow and WorkflowEvent have their id. */
export function grpcMessage(id: string, { flags = 0, length = id.length + 2 } = {}): Buffer {
  const bytes = Buffer.from([flags, 0, 0, 0, 0, 0x0a, id.length, ...Buffer.from(id)]);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

/** The headers of a response. */
export const grpcHeader = { ":status": "200", "content-type": "application/grpc" };

const unimplemented = { ...grpcHeader, "grpc-status": "12" };

/** Returns a function that responds with one such message. */
export function respondWith(id: string): (stream: ServerStream) => void {
  return function respond(stream) {
    stream.header(grpcHeader);
    stream.data(grpcMessage(id));
    stream.header({ "grpc-status": "0" }, "ends");
  };
}

function serverStreamOf(socket: Socket, connection: number, streamId: number): ServerStream {
  const write = (type: number, flags: number, id: number, payload: Uint8Array) =>
    void socket.write(frame(type, flags, id, payload));
  return {
    streamId,
    connection,
    header(fields, ends) {
      const block = headerBlock(fields);
      for (let start = 0; start < block.length; start += maxFrameBytes) {
        const type = start === 0 ? frameType.headers : frameType.continuation;
        const isLast = start + maxFrameBytes >= block.length;
        const flags = (isLast ? endHeaders : 0) | (start === 0 && ends ? endStream : 0);
        write(type, flags, streamId, block.subarray(start, start + maxFrameBytes));
      }
    },
    data: (bytes, ends) => write(frameType.data, ends ? endStream : 0, streamId, bytes),
    reset: (code) => write(frameType.reset, 0, streamId, words(code)),
    goaway: (lastStreamId, code, debugData = "") =>
      write(frameType.goaway, 0, 0, Buffer.concat([words(lastStreamId, code), Buffer.from(debugData)])),
    limit: (maxStreams) => write(frameType.settings, 0, 0, limitSetting(maxStreams)),
    raw: (bytes) => void socket.write(bytes),
    endConnection: () => void socket.end(),
    destroyConnection: () => void socket.destroy(),
  };
}

function readFrames(socket: Socket, onFrame: (received: Frame) => void): void {
  const prefaceBytes = 24;
  const frameHeaderBytes = 9;
  let buffer = Buffer.alloc(0);
  let skip = prefaceBytes;
  socket.on("data", (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      if (buffer.length < skip + frameHeaderBytes) return;
      const header = buffer.subarray(skip);
      const end = frameHeaderBytes + header.readUIntBE(0, 3);
      if (header.length < end) return;
      buffer = header.subarray(end);
      skip = 0;
      const [type, flags] = [header.readUInt8(3), header.readUInt8(4)];
      onFrame({
        type,
        flags,
        streamId: header.readUInt32BE(5),
        payload: header.subarray(frameHeaderBytes, end),
      });
    }
  });
}

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

/** HPACK with literals only. */
function headerBlock(fields: Record<string, string>): Buffer {
  const literal = (text: string) => [lengthOf(text), Buffer.from(text)];
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [
      Buffer.from([0]),
      ...literal(name),
      ...literal(value),
    ]),
  );
}

/** The length of a literal: an integer with a prefix of 7 bits (RFC 7541 §5.1). */
function lengthOf({ length }: string): Buffer {
  const max = 127;
  if (length < max) return Buffer.from([length]);
  const bytes = [max];
  let rest = length - max;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

/** SETTINGS_MAX_CONCURRENT_STREAMS; no setting if any number is allowed. */
function limitSetting(maxStreams: number): Buffer {
  return Number.isFinite(maxStreams)
    ? Buffer.concat([Buffer.from([0, 3]), words(maxStreams)])
    : Buffer.alloc(0);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}
