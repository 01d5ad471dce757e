import type { OnReadOpts, Socket } from "node:net";
import { BodySender } from "./body-sender.ts";
import { FrameBudget } from "./frame-budget.ts";
import { FrameReader } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { blockOf, ContinuedBlock, unpadded } from "./header-block.ts";
import { CompressionError, HpackDecoder } from "./hpack-decoder.ts";
import { checkHeaders, HpackEncoder } from "./hpack-encoder.ts";
import {
  ConnectionError,
  defaultWindowBytes,
  errorCode,
  frameFlag,
  frameHeaderBytes,
  frameType,
  maxWindowBytes,
  minMaxFrameBytes,
} from "./protocol.ts";
import { Stream } from "./stream.ts";
import type { HeaderFields, StreamEnd, StreamListener, StreamRequest } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

export interface ConnectionOptions {
  /** Opens the socket, which reads into the given buffer. */
  readonly connect: (onread: OnReadOpts) => Socket;
  /** The header fields of every request but `:path`, pseudo-headers first. */
  readonly headers: HeaderFields;
  /** The flow-control window of each stream, and of the connection, in bytes. */
  readonly streamWindowBytes: number;
  readonly windowBytes: number;
  /** SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 §6.5.2). A response with larger headers is `invalid`. */
  readonly maxHeaderListBytes: number;
}

/** Is called with the events of a connection. */
export interface ConnectionListener {
  /** The server's settings have changed; `maxStreams` is Infinity if it sets no limit. */
  onSettings(maxStreams: number): void;
  /** Response headers were received. */
  onResponse(): void;
  /** A stream is closed. Called before its own listener, which may open another stream. */
  onStreamClosed(stream: Stream, end: StreamEnd): void;
  /** The server accepts no more streams (GOAWAY, RFC 9113 §6.8). Returns whether its open streams may finish. */
  onGoaway(code: number, debugData: string): boolean;
  /** The connection is closed; `isBroken` if the server violated HTTP/2. Called before its streams end. */
  onClosing(reason: Error | undefined, isBroken: boolean): void;
  /** The socket is closed. */
  onClosed(): void;
}

export type ConnectionState =
  /** The server's settings have not been received; requests wait for them. */
  | "connecting"
  /** Requests are sent at once. */
  | "ready"
  /** No new streams are opened. The connection is closed after its last one. */
  | "draining"
  | "closed";

/** The settings that are sent or read (RFC 9113 §6.5.2). */
const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** The size of the buffer that the socket reads into, in bytes. */
const readBytes = 64 * 1024;

/** The connection is closed when more than this waits for a server that does not read, in bytes. */
const maxPendingBytes = 16 * 1024 * 1024;

/** The server must acknowledge the settings within this time, in milliseconds. */
const settingsTimeoutMs = 10_000;

/** The largest part of a GOAWAY's debug data that is read, in bytes. */
const maxDebugBytes = 256;

/** Client streams have odd ids, up to 2^31-1 (RFC 9113 §5.1.1). */
const lastStreamId = 2 ** 31 - 1;

/**
 * The client's side of one HTTP/2 connection (RFC 9113), for requests whose body is known. It trusts nothing that it
 * receives: a violation of the protocol ends the stream or the connection as the RFC says.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  readonly #bodies: BodySender;
  readonly #budget = new FrameBudget();
  readonly #reader = new FrameReader((...frame) => this.#receiveFrame(...frame));
  readonly #encoder: HpackEncoder;
  readonly #decoder: HpackDecoder;
  readonly #streams = new StreamTable();
  /** Streams that wait for the server's settings. */
  #waiting: Stream[] = [];
  #state: ConnectionState = "connecting";
  #hasSettings = false;
  #maxStreams = Infinity;
  #nextId = 1;
  /** The last stream that the server may still process. */
  #lastProcessedId = lastStreamId;
  #continued: ContinuedBlock | undefined;
  #receiveWindow: number;
  readonly #settingsTimer: NodeJS.Timeout;
  readonly #onSettingsAcknowledged: (() => void)[];
  readonly #onPingAcknowledged: (() => void)[] = [];
  #pingsAcknowledged = 0;
  #bytesReceived = 0;

  /** Starts to connect. */
  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#encoder = new HpackEncoder(options.headers);
    this.#decoder = new HpackDecoder(options.maxHeaderListBytes);
    this.#receiveWindow = options.windowBytes;
    // All reads use one buffer. Node's own would be garbage for each.
    this.#socket = options.connect({
      buffer: Buffer.allocUnsafeSlow(readBytes),
      callback: (length, buffer) => {
        this.#receive(buffer as Buffer, length);
        return true;
      },
    });
    this.#writer = new FrameWriter(this.#socket, () => this.#bodies.sendWaiting());
    this.#bodies = new BodySender(this.#writer, this.#budget);
    this.#settingsTimer = setTimeout(() => {
      this.#break(
        new ConnectionError(errorCode.settingsTimeout, "the server did not acknowledge the settings"),
      );
    }, settingsTimeoutMs).unref();
    this.#onSettingsAcknowledged = [() => clearTimeout(this.#settingsTimer)];
    this.#socket
      .once("error", (error) => this.close(error))
      .once("end", () => this.close())
      .once("close", () => {
        this.close();
        listener.onClosed();
      });
    this.#writePreface();
  }

  get state(): ConnectionState {
    // Node reports a destroyed socket a little later.
    return this.#socket.destroyed ? "closed" : this.#state;
  }

  /** The number of bytes that were ever received. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** The number of open streams, those that wait for the server's settings included. */
  get size(): number {
    return this.#streams.size + this.#waiting.length;
  }

  /** The open streams whose requests were sent, oldest first. */
  get sentStreams(): readonly Stream[] {
    return this.#streams.all();
  }

  /**
   * Opens a stream. Its request is sent at once, or when the server's settings are received. Throws a TypeError if the
   * headers cannot be sent, and an Error if the connection opens no more streams.
   */
  open(request: StreamRequest, listener: StreamListener): Stream {
    checkHeaders(request.headers);
    if (this.#state === "draining" || this.#state === "closed" || this.#nextId > lastStreamId)
      throw new Error("the connection opens no more streams");
    const stream = new Stream(this, request, listener, this.#options.streamWindowBytes);
    if (this.#hasSettings) this.#send(stream);
    else this.#waiting.push(stream);
    return stream;
  }

  /** Calls back when the server has acknowledged a PING. */
  ping(onAcknowledged: () => void): void {
    this.#onPingAcknowledged.push(onAcknowledged);
    const at = this.#writer.frame(frameType.ping, 0, 0, 8);
    // The number of the ping.
    this.#writer.buffer.writeBigUInt64BE(
      BigInt(this.#pingsAcknowledged + this.#onPingAcknowledged.length),
      at,
    );
  }

  /** Sends SETTINGS without a change, and calls back when the server has acknowledged them (RFC 9113 §6.5.3). */
  sendSettings(onAcknowledged: () => void): void {
    this.#onSettingsAcknowledged.push(onAcknowledged);
    this.#writer.frame(frameType.settings, 0, 0, 0);
  }

  /** Ends an open stream by RST_STREAM (CANCEL), and calls its listener. */
  end(stream: Stream, kind: "not-sent" | "session-lost", cause: Error | undefined): void {
    this.#reset(stream, errorCode.cancel, { kind, code: errorCode.cancel, cause });
  }

  /** Ends the streams that wait for the server's settings as `not-sent`. */
  endWaiting(cause: Error | undefined): void {
    for (const stream of this.#waiting.slice()) this.end(stream, "not-sent", cause);
  }

  /** Opens no more streams, and closes the connection after the last one. */
  drain(): void {
    if (this.#state === "closed") return;
    this.#state = "draining";
    this.#closeIfDrained();
  }

  /** Closes the connection and its streams at once. */
  close(reason?: Error): void {
    this.#socket.destroy();
    this.#endStreams(reason, false);
  }

  /** Called by a stream. */
  cancel(stream: Stream): void {
    if (stream.listener === undefined) return;
    stream.listener = undefined;
    this.#reset(stream, errorCode.cancel, { kind: "reset", code: errorCode.cancel });
  }

  /** Called by a stream. */
  credit(stream: Stream, bytes: number): void {
    if (!stream.isClosed) this.#writeWindowUpdate(stream.id, bytes);
  }

  // Sending.

  #writePreface(): void {
    const { windowBytes, streamWindowBytes, maxHeaderListBytes } = this.#options;
    this.#writer.text(preface);
    const settings = [
      [setting.enablePush, 0],
      [setting.initialWindowSize, streamWindowBytes],
      [setting.maxHeaderListSize, maxHeaderListBytes],
    ] as const;
    let at = this.#writer.frame(frameType.settings, 0, 0, 6 * settings.length);
    for (const [name, value] of settings) {
      at = this.#writer.buffer.writeUInt16BE(name, at);
      at = this.#writer.buffer.writeUInt32BE(value, at);
    }
    this.#writeWindowUpdate(0, windowBytes - defaultWindowBytes);
  }

  #send(stream: Stream): void {
    const { request } = stream;
    if (request === undefined) return;
    stream.request = undefined;
    stream.id = this.#nextId;
    this.#nextId += 2;
    this.#streams.add(stream);
    const { path, headers, body } = request;
    const at = this.#writer.reserve(frameHeaderBytes + this.#encoder.maxLength(path, headers));
    const end = this.#encoder.encode(this.#writer.buffer, at + frameHeaderBytes, path, headers);
    if (end - at - frameHeaderBytes <= minMaxFrameBytes)
      this.#writer.finishHeaders(at, frameFlag.endHeaders, stream.id, end);
    else
      this.#sendLongBlock(stream.id, Buffer.from(this.#writer.buffer.subarray(at + frameHeaderBytes, end)));
    this.#bodies.send(stream, body);
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

  #writeWindowUpdate(streamId: number, bytes: number): void {
    this.#writer.buffer.writeUInt32BE(bytes, this.#writer.frame(frameType.windowUpdate, 0, streamId, 4));
  }

  #writeGoaway(code: number): void {
    const at = this.#writer.frame(frameType.goaway, 0, 0, 8);
    // This side has accepted no stream.
    this.#writer.buffer.writeUInt32BE(0, at);
    this.#writer.buffer.writeUInt32BE(code, at + 4);
  }

  // The end of streams and of the connection.

  /** Ends a stream. One that was sent is reset with `code`. */
  #reset(stream: Stream, code: number, end: StreamEnd): void {
    if (stream.isClosed) return;
    if (stream.id !== 0) {
      this.#writer.buffer.writeUInt32BE(code, this.#writer.frame(frameType.rstStream, 0, stream.id, 4));
      this.#streams.markReset(stream.id);
    }
    this.#remove(stream, end);
  }

  /** Ends a stream whose response violates HTTP/2 (RFC 9113 §5.4.2). */
  #reject(stream: Stream, code: number, message: string): void {
    this.#reset(stream, code, { kind: "invalid", code, cause: new Error(message) });
  }

  #finish(stream: Stream): void {
    if (stream.isClosed) return;
    if (stream.missingBytes !== undefined && stream.missingBytes > 0)
      return this.#reject(stream, errorCode.protocolError, "the response is shorter than its content-length");
    const end = { kind: "ended", code: errorCode.noError } as const;
    // The server does not need the rest of the request (RFC 9113 §8.1).
    if (stream.unsent !== undefined) return this.#reset(stream, errorCode.cancel, end);
    this.#remove(stream, end);
  }

  #remove(stream: Stream, end: StreamEnd): void {
    const { listener } = stream;
    stream.isClosed = true;
    stream.listener = undefined;
    if (stream.id === 0) this.#waiting = this.#waiting.filter((other) => other !== stream);
    else this.#streams.delete(stream);
    this.#bodies.drop(stream);
    this.#listener.onStreamClosed(stream, end);
    listener?.onClosed(end);
    this.#closeIfDrained();
  }

  #closeIfDrained(): void {
    if (this.#state !== "draining" || this.size > 0) return;
    this.#closeSocket(errorCode.noError);
    this.#endStreams(undefined, false);
  }

  /** The server violated HTTP/2 (RFC 9113 §5.4.1). */
  #break(error: ConnectionError): void {
    if (this.#state === "closed") return;
    this.#closeSocket(error.code);
    this.#endStreams(error, true);
  }

  /** Sends GOAWAY, and closes the socket without waiting for the server. */
  #closeSocket(code: number): void {
    this.#writeGoaway(code);
    this.#writer.flush();
    if (this.#socket.writableLength === 0) this.#socket.destroySoon();
    else this.#socket.destroy();
  }

  #endStreams(cause: Error | undefined, isBroken: boolean): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#settingsTimer);
    const code = isBroken ? errorCode.protocolError : errorCode.cancel;
    const end: StreamEnd = isBroken
      ? { kind: "session-broken", code, cause, isOnlyStream: this.size === 1 }
      : { kind: "session-lost", code, cause };
    this.#listener.onClosing(cause, isBroken);
    for (const stream of [...this.#streams.all(), ...this.#waiting])
      if (!stream.isClosed) this.#remove(stream, end);
  }

  // Receiving.

  #receive(bytes: Buffer, length: number): void {
    if (this.#state === "closed") return;
    this.#bytesReceived += length;
    try {
      this.#reader.read(bytes, length);
    } catch (error) {
      this.#break(connectionErrorFrom(error));
    }
  }

  #receiveFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (this.#state === "closed") return;
    if (!this.#hasSettings && (type !== frameType.settings || (flags & frameFlag.ack) !== 0))
      throw violation("the server does not begin with SETTINGS");
    if (this.#continued !== undefined && type !== frameType.continuation)
      throw violation("a header block is interrupted by another frame");
    switch (type) {
      case frameType.data:
        return this.#receiveData(flags, streamId, bytes, start, end);
      case frameType.headers:
        return this.#receiveHeaders(flags, streamId, bytes, start, end);
      case frameType.continuation:
        return this.#receiveContinuation(flags, streamId, bytes, start, end);
      case frameType.windowUpdate:
        return this.#receiveWindowUpdate(streamId, bytes, start, end);
      case frameType.rstStream:
        return this.#receiveReset(streamId, bytes, start, end);
      case frameType.settings:
        return this.#receiveSettings(flags, streamId, bytes, start, end);
      case frameType.ping:
        return this.#receivePing(flags, streamId, bytes, start, end);
      case frameType.goaway:
        return this.#receiveGoaway(streamId, bytes, start, end);
      case frameType.pushPromise:
        throw violation("PUSH_PROMISE, which this side does not allow");
      default:
        // PRIORITY, and frames that must be ignored (RFC 9113 §5.5).
        if (type === frameType.priority && streamId === 0) throw violation("PRIORITY without a stream");
        if (type === frameType.priority) checkLength(5, start, end);
        this.#budget.spend();
    }
  }

  #receiveData(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const stream = this.#streamOf(streamId);
    const length = end - start;
    this.#countData(length);
    const [first, last] = unpadded(flags, bytes, start, end);
    const isEndOfStream = (flags & frameFlag.endStream) !== 0;
    if (stream !== undefined && (last > first || isEndOfStream)) this.#budget.earn();
    else this.#budget.spend();
    if (stream === undefined) return this.#checkClosedStream(streamId);
    if (!stream.hasResponse)
      return this.#reject(stream, errorCode.protocolError, "DATA before the response headers");
    if (length > stream.receiveWindow)
      return this.#reject(stream, errorCode.flowControlError, "more DATA than the stream's window");
    if (stream.missingBytes !== undefined) {
      stream.missingBytes -= last - first;
      if (stream.missingBytes < 0)
        return this.#reject(
          stream,
          errorCode.protocolError,
          "the response is longer than its content-length",
        );
    }
    if (last > first) stream.listener?.onData(Buffer.from(bytes.subarray(first, last)));
    if (isEndOfStream) this.#finish(stream);
    else stream.received(length);
  }

  /** Counts DATA against the window of the connection. It is enlarged again whatever becomes of the DATA. */
  #countData(length: number): void {
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0)
      throw new ConnectionError(errorCode.flowControlError, "more DATA than the connection's window");
    const { windowBytes } = this.#options;
    if (this.#receiveWindow > windowBytes / 2) return;
    this.#writeWindowUpdate(0, windowBytes - this.#receiveWindow);
    this.#receiveWindow = windowBytes;
  }

  #receiveHeaders(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#streamOf(streamId);
    const [first, last] = blockOf(flags, bytes, start, end);
    const isEndOfStream = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0)
      return this.#receiveBlock(streamId, isEndOfStream, bytes, first, last);
    this.#continued = new ContinuedBlock(streamId, isEndOfStream);
    this.#continued.push(bytes, first, last);
  }

  #receiveContinuation(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const continued = this.#continued;
    if (continued === undefined || continued.streamId !== streamId)
      throw violation("CONTINUATION without a header block");
    continued.push(bytes, start, end);
    if ((flags & frameFlag.endHeaders) === 0) return;
    this.#continued = undefined;
    const block = continued.whole();
    this.#receiveBlock(streamId, continued.isEndOfStream, block, 0, block.length);
  }

  #receiveBlock(streamId: number, isEndOfStream: boolean, bytes: Buffer, start: number, end: number): void {
    // Decoded whatever becomes of it: later blocks refer to it (RFC 9113 §4.3).
    const { status, fields, violation: wrong } = this.#decoder.decode(bytes, start, end);
    const stream = this.#streams.get(streamId);
    const isInterim = status !== undefined && status < 200;
    if (stream === undefined || isInterim) this.#budget.spend();
    else this.#budget.earn();
    if (stream === undefined) return this.#checkClosedStream(streamId);
    if (wrong !== undefined) {
      const code = wrong.kind === "too-large" ? errorCode.enhanceYourCalm : errorCode.protocolError;
      return this.#reject(stream, code, wrong.message);
    }
    if (stream.hasResponse) return this.#receiveTrailers(stream, status, fields, isEndOfStream);
    if (status === undefined)
      return this.#reject(stream, errorCode.protocolError, "a response without :status");
    if (isInterim) {
      // 101 does not exist in HTTP/2 (RFC 9113 §8.6).
      if (isEndOfStream || status === 101)
        this.#reject(stream, errorCode.protocolError, `an interim response of status ${status}`);
      return;
    }
    const contentLength = fields["content-length"];
    if (contentLength !== undefined) {
      if (!/^\d{1,15}$/.test(contentLength))
        return this.#reject(stream, errorCode.protocolError, "a content-length that is no number");
      stream.missingBytes = Number(contentLength);
    }
    stream.hasResponse = true;
    this.#listener.onResponse();
    stream.listener?.onHeaders(status, fields, isEndOfStream);
    if (isEndOfStream) this.#finish(stream);
  }

  #receiveTrailers(
    stream: Stream,
    status: number | undefined,
    fields: HeaderFields,
    isEndOfStream: boolean,
  ): void {
    if (status !== undefined || !isEndOfStream)
      return this.#reject(
        stream,
        errorCode.protocolError,
        "trailers with :status, or that do not end the stream",
      );
    stream.listener?.onTrailers(fields);
    this.#finish(stream);
  }

  #receiveWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    checkLength(4, start, end);
    this.#budget.spend();
    const increment = bytes.readUInt32BE(start) & maxWindowBytes;
    if (streamId === 0) {
      if (increment === 0) throw violation("a WINDOW_UPDATE of 0");
      return this.#bodies.enlargeWindow(increment);
    }
    const stream = this.#streamOf(streamId);
    if (stream === undefined) return;
    if (increment === 0) return this.#reject(stream, errorCode.protocolError, "a WINDOW_UPDATE of 0");
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindowBytes)
      return this.#reject(stream, errorCode.flowControlError, "a flow-control window over 2^31-1 bytes");
    this.#bodies.sendWaiting();
  }

  #receiveReset(streamId: number, bytes: Buffer, start: number, end: number): void {
    checkLength(4, start, end);
    const stream = this.#streamOf(streamId);
    if (stream === undefined) return this.#budget.spend();
    const code = bytes.readUInt32BE(start);
    const isRefused = code === errorCode.refusedStream && !stream.hasResponse;
    this.#remove(stream, { kind: isRefused ? "refused" : "reset", code });
  }

  #receiveSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw violation("SETTINGS of a stream");
    if ((flags & frameFlag.ack) !== 0) {
      checkLength(0, start, end);
      const onAcknowledged = this.#onSettingsAcknowledged.shift();
      return onAcknowledged === undefined ? this.#budget.spend() : onAcknowledged();
    }
    if ((end - start) % 6 !== 0)
      throw new ConnectionError(errorCode.frameSizeError, `SETTINGS of ${end - start} bytes`);
    this.#budget.spend();
    for (let at = start; at < end; at += 6)
      this.#applySetting(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
    this.#writer.frame(frameType.settings, frameFlag.ack, 0, 0);
    const isFirst = !this.#hasSettings;
    this.#hasSettings = true;
    if (this.#state === "connecting") this.#state = "ready";
    this.#listener.onSettings(this.#maxStreams);
    if (isFirst) this.#sendStreamsThatWaited();
    this.#bodies.sendWaiting();
  }

  #applySetting(name: number, value: number): void {
    switch (name) {
      case setting.headerTableSize:
        return this.#encoder.setMaxTableSize(value);
      case setting.enablePush:
        if (value !== 0) throw violation("a server that enables push");
        return;
      case setting.maxConcurrentStreams:
        this.#maxStreams = value;
        return;
      case setting.initialWindowSize:
        if (value > maxWindowBytes)
          throw new ConnectionError(errorCode.flowControlError, `an initial window of ${value} bytes`);
        return this.#bodies.setInitialWindow(value, this.#streams.all());
      case setting.maxFrameSize:
        // Frames of the smallest size are sent, which every server accepts.
        if (value < minMaxFrameBytes || value >= 2 ** 24)
          throw violation(`a maximum frame size of ${value} bytes`);
    }
  }

  /** Sends the requests that waited for the settings, at most as many as the server allows. */
  #sendStreamsThatWaited(): void {
    const waited = this.#waiting;
    this.#waiting = [];
    for (const [index, stream] of waited.entries()) {
      if (stream.isClosed) continue;
      if (index < this.#maxStreams) this.#send(stream);
      else this.end(stream, "not-sent", new Error("the server allows fewer concurrent streams"));
    }
    this.#closeIfDrained();
  }

  #receivePing(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw violation("PING of a stream");
    checkLength(8, start, end);
    if ((flags & frameFlag.ack) === 0) {
      this.#budget.spend();
      const at = this.#writer.frame(frameType.ping, frameFlag.ack, 0, 8);
      bytes.copy(this.#writer.buffer, at, start, end);
      return;
    }
    if (bytes.readBigUInt64BE(start) !== BigInt(this.#pingsAcknowledged + 1)) return this.#budget.spend();
    const onAcknowledged = this.#onPingAcknowledged.shift();
    if (onAcknowledged === undefined) return this.#budget.spend();
    this.#pingsAcknowledged += 1;
    onAcknowledged();
  }

  #receiveGoaway(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw violation("GOAWAY of a stream");
    if (end - start < 8)
      throw new ConnectionError(errorCode.frameSizeError, `GOAWAY of ${end - start} bytes`);
    this.#budget.spend();
    const lastId = bytes.readUInt32BE(start) & lastStreamId;
    if (lastId > this.#lastProcessedId) throw violation("GOAWAY with a larger stream id than before");
    this.#lastProcessedId = lastId;
    this.#state = "draining";
    const code = bytes.readUInt32BE(start + 4);
    const mayFinish = this.#listener.onGoaway(
      code,
      bytes.toString("latin1", start + 8, Math.min(end, start + 8 + maxDebugBytes)),
    );
    for (const stream of this.#streams.all()) {
      if (stream.id <= lastId || stream.isClosed) continue;
      this.#streams.markReset(stream.id);
      this.#remove(stream, { kind: "refused", code: errorCode.refusedStream });
    }
    if (!mayFinish) this.close(new Error(`the server closed the connection with HTTP/2 code ${code}`));
    this.#closeIfDrained();
  }

  /** The open stream with this id; undefined if it is closed. */
  #streamOf(id: number): Stream | undefined {
    if (id === 0 || id % 2 === 0 || id >= this.#nextId) throw violation(`a frame for the idle stream ${id}`);
    return this.#streams.get(id);
  }

  /** Frames of a stream that this side has reset may still arrive. After the server's end there must be none. */
  #checkClosedStream(id: number): void {
    if (!this.#streams.mayBeReset(id))
      throw new ConnectionError(errorCode.streamClosed, `a frame for the closed stream ${id}`);
  }
}

function violation(message: string): ConnectionError {
  return new ConnectionError(errorCode.protocolError, message);
}

function checkLength(length: number, start: number, end: number): void {
  if (end - start !== length)
    throw new ConnectionError(
      errorCode.frameSizeError,
      `a frame of ${end - start} bytes instead of ${length}`,
    );
}

function connectionErrorFrom(error: unknown): ConnectionError {
  if (error instanceof ConnectionError) return error;
  if (error instanceof CompressionError)
    return new ConnectionError(errorCode.compressionError, error.message);
  return new ConnectionError(errorCode.internalError, String(error));
}
