import type { Socket } from "node:net";
import { BodySender } from "./body-sender.ts";
import { allStreamsCost, FrameBudget } from "./frame-budget.ts";
import { FrameReader } from "./frame-reader.ts";
import type { Frame } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import type {
  ClientConnection,
  ConnectionListener,
  ConnectionOptions,
  ConnectionState,
} from "./client-connection.ts";
import { CompressionError } from "./hpack-decoder.ts";
import { checkHeaders, HpackEncoder } from "./hpack-encoder.ts";
import { Pings } from "./pings.ts";
import {
  ConnectionError,
  defaultWindowBytes,
  errorCode,
  frameFlag,
  frameHeaderBytes,
  frameSizeError,
  frameType,
  maxWindowBytes,
  minMaxFrameBytes,
  protocolError,
} from "./protocol.ts";
import { ResponseReader } from "./response-reader.ts";
import { settingName, Settings } from "./settings.ts";
import { Stream } from "./stream.ts";
import type { StreamEnd, StreamListener, StreamRequest } from "./stream.ts";
import { lastStreamId, StreamTable } from "./stream-table.ts";

/** What tests change. */
interface Limits {
  /** The server must acknowledge the settings within this time after its own, in milliseconds. */
  readonly settingsTimeoutMs?: number;
  /** Streams with ids over 2^31-1 cannot be opened (RFC 9113 §5.1.1). */
  readonly firstStreamId?: number;
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** The size of the buffer that the socket reads into, in bytes. */
const readBytes = 64 * 1024;

/** The connection is closed when more than this waits for a server that does not read, in bytes. */
const maxPendingBytes = 16 * 1024 * 1024;

/** How long the socket waits until GOAWAY is written, in milliseconds. */
const closeTimeoutMs = 1000;

/** The largest part of a GOAWAY's debug data that is read, in bytes. */
const maxDebugBytes = 256;

/**
 * The client's side of one HTTP/2 connection (RFC 9113), for requests whose body is known. It trusts nothing that it
 * receives: a violation of the protocol ends the stream or the connection as the RFC says.
 */
export class Connection implements ClientConnection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  readonly #encoder: HpackEncoder;
  readonly #bodies: BodySender;
  readonly #budget: FrameBudget;
  readonly #reader = new FrameReader((frame) => this.#receiveFrame(frame));
  readonly #responses: ResponseReader;
  readonly #settings: Settings;
  readonly #pings: Pings;
  readonly #streams: StreamTable;
  /** Streams that wait for the server's settings. */
  readonly #waiting = new Set<Stream>();
  #state: ConnectionState = "connecting";
  /** The last stream that the server may still process. */
  #lastProcessedId = lastStreamId;
  /** The received bytes of DATA that the window of the connection lacks. */
  #uncredited = 0;
  readonly #settingsTimeoutMs: number;
  /** Runs from the server's settings to its acknowledgement of those of this side. */
  #settingsTimer: NodeJS.Timeout | undefined;
  #bytesReceived = 0;

  /** Starts to connect. */
  constructor(
    options: ConnectionOptions,
    listener: ConnectionListener,
    { settingsTimeoutMs = 10_000, firstStreamId = 1 }: Limits = {},
  ) {
    this.#options = options;
    this.#listener = listener;
    this.#streams = new StreamTable(firstStreamId);
    this.#budget = new FrameBudget(this.#streams);
    this.#settingsTimeoutMs = settingsTimeoutMs;
    this.#socket = options.connect({
      // All reads use one buffer. Node's own buffers would be garbage for each.
      buffer: Buffer.allocUnsafeSlow(readBytes),
      callback: (length, buffer) => {
        this.#receive(buffer as Buffer, length);
        return true;
      },
    });
    this.#writer = new FrameWriter(this.#socket, () => this.#bodies.sendWaiting());
    this.#encoder = new HpackEncoder(options.headers);
    this.#bodies = new BodySender(this.#writer, this.#budget);
    this.#pings = new Pings(this.#writer, this.#budget);
    this.#settings = new Settings(this.#writer, this.#budget, {
      encoder: this.#encoder,
      bodies: this.#bodies,
      streams: this.#streams,
    });
    this.#responses = new ResponseReader(this.#streams, this.#budget, options.maxHeaderListBytes, {
      onResponse: () => listener.onResponse(),
      finish: (stream) => this.#finish(stream),
      reject: (stream, code, reason) => this.#reject(stream, code, reason),
    });
    this.#socket
      .on("error", (error) => this.close(error))
      .once("end", () => this.close())
      .once("close", () => {
        this.close();
        listener.onClosed();
      });
    this.#sendPreface();
  }

  get state(): ConnectionState {
    // Node reports a destroyed socket a little later.
    return this.#socket.destroyed ? "closed" : this.#state;
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  get size(): number {
    return this.#streams.size + this.#waiting.size;
  }

  get sentStreams(): readonly Stream[] {
    return this.#streams.all();
  }

  open(request: StreamRequest, listener: StreamListener): Stream {
    checkHeaders(request.headers);
    if (this.state === "draining" || this.state === "closed" || !this.#streams.hasIds)
      throw new Error("the connection opens no more streams");
    const stream = new Stream(this, request, listener, this.#options.streamWindowBytes);
    if (this.#settings.areReceived) this.#send(stream);
    else this.#waiting.add(stream);
    return stream;
  }

  ping(onAcknowledged: () => void): void {
    this.#pings.send(onAcknowledged);
  }

  sendSettings(onAcknowledged: () => void): void {
    this.#settings.send([], onAcknowledged);
  }

  endWaiting(cause: Error | undefined): void {
    for (const stream of [...this.#waiting]) stream.end("not-sent", cause);
  }

  drain(): void {
    if (this.#state === "closed") return;
    this.#state = "draining";
    this.#closeIfDrained();
  }

  close(reason?: Error): void {
    this.#socket.destroy();
    this.#endStreams({ kind: "session-lost", code: errorCode.cancel, cause: reason });
  }

  /** Called by a stream, as is `credit`. */
  reset(stream: Stream, end: StreamEnd): void {
    this.#reset(stream, errorCode.cancel, end);
  }

  credit(stream: Stream, bytes: number): void {
    if (!stream.isClosed) this.#sendWindowUpdate(stream.id, bytes);
  }

  // Sending.

  #sendPreface(): void {
    const { windowBytes, streamWindowBytes, maxHeaderListBytes } = this.#options;
    this.#writer.text(preface);
    this.#settings.send(
      [
        [settingName.enablePush, 0],
        [settingName.initialWindowSize, streamWindowBytes],
        [settingName.maxHeaderListSize, maxHeaderListBytes],
      ],
      () => clearTimeout(this.#settingsTimer),
    );
    this.#sendWindowUpdate(0, windowBytes - defaultWindowBytes);
  }

  #send(stream: Stream): void {
    const { request } = stream;
    if (request === undefined) return;
    stream.request = undefined;
    this.#waiting.delete(stream);
    this.#streams.add(stream);
    this.#budget.earn();
    const { path, headers, body } = request;
    const at = this.#writer.reserve(frameHeaderBytes + this.#encoder.maxLength(path, headers));
    const end = this.#encoder.encode(this.#writer.buffer, at + frameHeaderBytes, path, headers);
    if (end - at - frameHeaderBytes <= minMaxFrameBytes)
      this.#writer.finishHeaders(at, frameFlag.endHeaders, stream.id, end);
    else
      this.#sendLongBlock(stream.id, Buffer.from(this.#writer.buffer.subarray(at + frameHeaderBytes, end)));
    this.#bodies.send(stream, body);
    this.#closeIfUnread();
  }

  #closeIfUnread(): void {
    if (this.#writer.pendingBytes > maxPendingBytes) this.close(new Error("the server does not read"));
  }

  /** Sends a header block that needs more than one frame (RFC 9113 §4.3). */
  #sendLongBlock(streamId: number, block: Buffer): void {
    let type: number = frameType.headers;
    for (let start = 0; start < block.length; start += minMaxFrameBytes) {
      const fragment = block.subarray(start, start + minMaxFrameBytes);
      const isLast = start + fragment.length === block.length;
      const at = this.#writer.frame(type, isLast ? frameFlag.endHeaders : 0, streamId, fragment.length);
      fragment.copy(this.#writer.buffer, at);
      type = frameType.continuation;
    }
  }

  #sendWindowUpdate(streamId: number, bytes: number): void {
    const at = this.#writer.frame(frameType.windowUpdate, 0, streamId, 4);
    this.#writer.buffer.writeUInt32BE(bytes, at);
  }

  /** Sends the requests that waited for the settings, at most as many as the server allows. */
  #sendWaiting(): void {
    for (const stream of this.#waiting) {
      if (this.#streams.size < this.#settings.maxStreams) this.#send(stream);
      else stream.end("not-sent", new Error("the server allows fewer concurrent streams"));
    }
    this.#closeIfDrained();
  }

  // The end of streams and of the connection.

  /** Ends a stream. One that was sent is reset with `code`. */
  #reset(stream: Stream, code: number, end: StreamEnd): void {
    if (stream.isClosed) return;
    if (stream.id !== 0) {
      const at = this.#writer.frame(frameType.rstStream, 0, stream.id, 4);
      this.#writer.buffer.writeUInt32BE(code, at);
      this.#streams.markReset(stream.id);
      this.#budget.earn();
    }
    this.#remove(stream, end);
  }

  #reject(stream: Stream, code: number, reason: string): void {
    this.#reset(stream, code, { kind: "invalid", code, cause: new Error(reason) });
  }

  #finish(stream: Stream): void {
    if (stream.isClosed) return;
    if (stream.missingBytes !== undefined && stream.missingBytes > 0)
      return this.#reject(stream, errorCode.protocolError, "the response is shorter than its content-length");
    const end: StreamEnd = { kind: "ended", code: errorCode.noError };
    // The server does not need the rest of the request (RFC 9113 §8.1).
    if (stream.unsent !== undefined) this.#reset(stream, errorCode.cancel, end);
    else this.#remove(stream, end);
  }

  #remove(stream: Stream, end: StreamEnd): void {
    const { listener } = stream;
    stream.isClosed = true;
    stream.listener = undefined;
    if (stream.id === 0) this.#waiting.delete(stream);
    else this.#streams.delete(stream);
    this.#bodies.drop(stream);
    this.#listener.onStreamClosed(stream, end);
    listener?.onClosed(end);
    this.#closeIfDrained();
  }

  #closeIfDrained(): void {
    if (this.#state !== "draining" || this.size > 0) return;
    this.#closeSocket(errorCode.noError);
    this.#endStreams({ kind: "session-lost", code: errorCode.noError });
  }

  /** The server violated HTTP/2 (RFC 9113 §5.4.1). */
  #break(error: ConnectionError): void {
    if (this.#state === "closed") return;
    this.#closeSocket(error.code);
    const isOnlyStream = this.#streams.size === 1;
    this.#endStreams({ kind: "session-broken", code: error.code, cause: error, isOnlyStream });
  }

  /** Closes the connection if the server does not acknowledge the settings in time (RFC 9113 §6.5.3). */
  #awaitAcknowledgement(): void {
    const settingsTimeoutMs = this.#settingsTimeoutMs;
    this.#settingsTimer = setTimeout(() => {
      this.#closeSocket(errorCode.settingsTimeout);
      const cause = new Error(`the server did not acknowledge the settings within ${settingsTimeoutMs} ms`);
      this.#endStreams({ kind: "session-lost", code: errorCode.settingsTimeout, cause });
    }, settingsTimeoutMs).unref();
  }

  /** Sends GOAWAY, and closes the socket once it is written. */
  #closeSocket(code: number): void {
    const at = this.#writer.frame(frameType.goaway, 0, 0, 8);
    // This side has accepted no stream.
    this.#writer.buffer.writeUInt32BE(0, at);
    this.#writer.buffer.writeUInt32BE(code, at + 4);
    this.#writer.flush();
    this.#socket.destroySoon();
    // A server that does not read keeps it waiting.
    const timer = setTimeout(() => this.#socket.destroy(), closeTimeoutMs).unref();
    this.#socket.once("close", () => clearTimeout(timer));
  }

  #endStreams(end: StreamEnd): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#settingsTimer);
    this.#listener.onClosing(end.cause, end.kind === "session-broken");
    for (const stream of this.#streams.all()) if (!stream.isClosed) this.#remove(stream, end);
    // No response can be to blame for the end of these.
    for (const stream of this.#waiting)
      this.#remove(stream, { kind: "session-lost", code: end.code, cause: end.cause });
  }

  // Receiving.

  #receive(bytes: Buffer, length: number): void {
    if (this.#state === "closed") return;
    const isHttp1 = this.#bytesReceived === 0 && bytes.toString("latin1", 0, Math.min(length, 5)) === "HTTP/";
    this.#bytesReceived += length;
    try {
      if (isHttp1) throw protocolError("the server speaks HTTP/1.1 instead of HTTP/2");
      this.#reader.read(bytes, length);
    } catch (error) {
      this.#break(connectionErrorFrom(error));
    }
    // Acknowledgements may wait too.
    this.#closeIfUnread();
  }

  #receiveFrame(frame: Frame): void {
    const { type, flags } = frame;
    if (this.#state === "closed") return;
    if (!this.#settings.areReceived && (type !== frameType.settings || (flags & frameFlag.ack) !== 0))
      throw protocolError("the server does not begin with SETTINGS");
    if (this.#responses.isWithinBlock && type !== frameType.continuation)
      throw protocolError("a header block is interrupted by another frame");
    switch (type) {
      case frameType.data:
        this.#countData(frame.end - frame.start);
        return this.#responses.receiveData(frame);
      case frameType.headers:
        return this.#responses.receiveHeaders(frame);
      case frameType.continuation:
        return this.#responses.receiveContinuation(frame);
      case frameType.windowUpdate:
        return this.#receiveWindowUpdate(frame);
      case frameType.rstStream:
        return this.#receiveReset(frame);
      case frameType.settings:
        return this.#receiveSettings(frame);
      case frameType.ping:
        return this.#pings.receive(frame);
      case frameType.goaway:
        return this.#receiveGoaway(frame);
      case frameType.pushPromise:
        throw protocolError("PUSH_PROMISE, which this side does not allow");
      case frameType.priority:
        if (frame.streamId === 0) throw protocolError("PRIORITY without a stream");
        checkLength(frame, 5);
    }
    // PRIORITY, and frames of unknown types, which must be ignored (RFC 9113 §5.5).
    this.#budget.spend();
  }

  /**
   * Enlarges the window of the connection again, whatever becomes of the DATA: the windows of the streams bound what is
   * held. That the server has exceeded it could not be seen, since half of it is more than a frame.
   */
  #countData(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited < this.#options.windowBytes / 2) return;
    this.#sendWindowUpdate(0, this.#uncredited);
    this.#uncredited = 0;
  }

  #receiveWindowUpdate(frame: Frame): void {
    checkLength(frame, 4);
    this.#budget.spend();
    const increment = frame.bytes.readUInt32BE(frame.start) & maxWindowBytes;
    if (frame.streamId === 0) {
      if (increment === 0) throw protocolError("a WINDOW_UPDATE of 0");
      return this.#bodies.enlargeWindow(increment);
    }
    const stream = this.#streams.get(frame.streamId);
    if (stream === undefined) return;
    if (increment === 0) return this.#reject(stream, errorCode.protocolError, "a WINDOW_UPDATE of 0");
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindowBytes)
      return this.#reject(stream, errorCode.flowControlError, "a flow-control window over 2^31-1 bytes");
    this.#bodies.sendWaiting();
  }

  #receiveReset(frame: Frame): void {
    checkLength(frame, 4);
    const stream = this.#streams.get(frame.streamId);
    if (stream === undefined) return this.#budget.spend();
    const code = frame.bytes.readUInt32BE(frame.start);
    const isRefused = code === errorCode.refusedStream && !stream.hasResponse;
    this.#remove(stream, { kind: isRefused ? "refused" : "reset", code });
  }

  #receiveSettings(frame: Frame): void {
    const areFirst = !this.#settings.areReceived;
    if (!this.#settings.receive(frame)) return;
    if (this.#state === "connecting") this.#state = "ready";
    this.#listener.onSettings(this.#settings.maxStreams);
    if (areFirst) this.#sendWaiting();
    if (areFirst && this.state !== "closed") this.#awaitAcknowledgement();
    this.#bodies.sendWaiting();
  }

  #receiveGoaway({ streamId, bytes, start, end }: Frame): void {
    if (streamId !== 0) throw protocolError("GOAWAY of a stream");
    if (end - start < 8) throw frameSizeError(end - start);
    this.#budget.spend(allStreamsCost);
    const lastId = bytes.readUInt32BE(start) & lastStreamId;
    if (lastId > this.#lastProcessedId) throw protocolError("GOAWAY with a larger stream id than before");
    this.#lastProcessedId = lastId;
    this.#state = "draining";
    const code = bytes.readUInt32BE(start + 4);
    const debugData = bytes.toString("latin1", start + 8, Math.min(end, start + 8 + maxDebugBytes));
    const mayFinish = this.#listener.onGoaway(code, debugData);
    for (const stream of this.#streams.all()) {
      if (stream.id <= lastId || stream.isClosed) continue;
      this.#streams.markReset(stream.id);
      this.#remove(stream, { kind: "refused", code: errorCode.refusedStream });
    }
    if (!mayFinish) this.close(new Error(`the server closed the connection with HTTP/2 code ${code}`));
    this.#closeIfDrained();
  }
}

function checkLength({ start, end }: Frame, length: number): void {
  if (end - start !== length) throw frameSizeError(end - start);
}

function connectionErrorFrom(error: unknown): ConnectionError {
  if (error instanceof ConnectionError) return error;
  if (error instanceof CompressionError)
    return new ConnectionError(errorCode.compressionError, error.message);
  // A fault of this side.
  return new ConnectionError(errorCode.internalError, String(error), { cause: error });
}
