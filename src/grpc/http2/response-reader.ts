import type { FrameBudget } from "./frame-budget.ts";
import type { Frame } from "./frame-reader.ts";
import { ContinuedBlock, contentOf } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { ConnectionError, errorCode, frameFlag, protocolError } from "./protocol.ts";
import type { HeaderFields, Stream } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";

/** What becomes of a stream by what it has received. */
interface ResponseListener {
  /** A stream has received response headers. */
  readonly onResponse: () => void;
  /** The response is complete. */
  readonly finish: (stream: Stream) => void;
  /** The response violates HTTP/2: the stream must be reset with `code` (RFC 9113 §5.4.2). */
  readonly reject: (stream: Stream, code: number, reason: string) => void;
}

/** Reads responses from the HEADERS, CONTINUATION and DATA frames of all streams (RFC 9113 §8.1). */
export class ResponseReader {
  readonly #streams: StreamTable;
  readonly #budget: FrameBudget;
  readonly #decoder: HpackDecoder;
  readonly #listener: ResponseListener;
  #continued: ContinuedBlock | undefined;

  /** Responses with headers or trailers of more than `maxHeaderListBytes` are rejected. */
  constructor(
    streams: StreamTable,
    budget: FrameBudget,
    maxHeaderListBytes: number,
    listener: ResponseListener,
  ) {
    this.#streams = streams;
    this.#budget = budget;
    this.#decoder = new HpackDecoder(maxHeaderListBytes);
    this.#listener = listener;
  }

  /** Whether the next frame must be CONTINUATION (RFC 9113 §6.10). */
  get isWithinBlock(): boolean {
    return this.#continued !== undefined;
  }

  receiveHeaders(frame: Frame): void {
    const { streamId, flags, bytes } = frame;
    // Throws if the stream is idle.
    this.#streams.get(streamId);
    const [start, end] = contentOf(frame);
    const isEndOfStream = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0)
      return this.#receiveBlock(streamId, isEndOfStream, bytes, start, end);
    this.#continued = new ContinuedBlock(streamId, isEndOfStream);
    this.#continued.push(bytes, start, end);
  }

  receiveContinuation({ streamId, flags, bytes, start, end }: Frame): void {
    const continued = this.#continued;
    if (continued === undefined || continued.streamId !== streamId)
      throw protocolError("CONTINUATION without a header block");
    continued.push(bytes, start, end);
    if ((flags & frameFlag.endHeaders) === 0) return;
    this.#continued = undefined;
    const block = continued.whole();
    this.#receiveBlock(streamId, continued.isEndOfStream, block, 0, block.length);
  }

  receiveData(frame: Frame): void {
    const stream = this.#streams.get(frame.streamId);
    const [start, end] = contentOf(frame);
    const isEndOfStream = (frame.flags & frameFlag.endStream) !== 0;
    if (stream !== undefined && (end > start || isEndOfStream)) this.#budget.earn();
    else this.#budget.spend();
    if (stream === undefined) return this.#checkClosed(frame.streamId);
    const { finish, reject } = this.#listener;
    if (!stream.hasResponse)
      return reject(stream, errorCode.protocolError, "DATA before the response headers");
    // Flow control counts padding too (RFC 9113 §6.1).
    const counted = frame.end - frame.start;
    if (counted > stream.receiveWindow)
      return reject(stream, errorCode.flowControlError, "more DATA than the stream's window");
    if (stream.missingBytes !== undefined) {
      stream.missingBytes -= end - start;
      if (stream.missingBytes < 0)
        return reject(stream, errorCode.protocolError, "the response is longer than its content-length");
    }
    if (end > start) stream.listener?.onData(frame.bytes.subarray(start, end));
    if (isEndOfStream) finish(stream);
    else stream.received(counted);
  }

  #receiveBlock(streamId: number, isEndOfStream: boolean, bytes: Buffer, start: number, end: number): void {
    // Decoded whatever becomes of it: later blocks refer to it (RFC 9113 §4.3).
    const { status, fields, violation } = this.#decoder.decode(bytes, start, end);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      this.#budget.spend();
      return this.#checkClosed(streamId);
    }
    const { reject } = this.#listener;
    if (violation !== undefined) {
      const isTooLarge = violation.kind === "too-large";
      reject(stream, isTooLarge ? errorCode.enhanceYourCalm : errorCode.protocolError, violation.message);
    } else if (stream.hasResponse) this.#receiveTrailers(stream, status, fields, isEndOfStream);
    else if (status === undefined) reject(stream, errorCode.protocolError, "a response without :status");
    else if (status >= 200) this.#receiveResponse(stream, status, fields, isEndOfStream);
    else if (isEndOfStream || status === 101)
      // 101 does not exist in HTTP/2 (RFC 9113 §8.6).
      reject(stream, errorCode.protocolError, `an interim response of status ${status}`);
    else this.#budget.spend();
  }

  #receiveResponse(stream: Stream, status: number, fields: HeaderFields, isEndOfStream: boolean): void {
    this.#budget.earn();
    const contentLength = fields["content-length"];
    if (contentLength !== undefined) {
      if (!/^\d{1,15}$/.test(contentLength))
        return this.#listener.reject(stream, errorCode.protocolError, "a content-length that is no number");
      stream.missingBytes = Number(contentLength);
    }
    stream.hasResponse = true;
    this.#listener.onResponse();
    stream.listener?.onHeaders(status, fields, isEndOfStream);
    if (isEndOfStream) this.#listener.finish(stream);
  }

  #receiveTrailers(
    stream: Stream,
    status: number | undefined,
    fields: HeaderFields,
    isEndOfStream: boolean,
  ): void {
    if (status !== undefined || !isEndOfStream)
      return this.#listener.reject(
        stream,
        errorCode.protocolError,
        "trailers with :status, or that do not end the stream",
      );
    stream.listener?.onTrailers(fields);
    this.#listener.finish(stream);
  }

  /** Frames of a stream that this side has reset may still arrive. After the server's own end there must be none. */
  #checkClosed(id: number): void {
    if (!this.#streams.mayBeReset(id))
      throw new ConnectionError(errorCode.streamClosed, `a frame for the closed stream ${id}`);
  }
}
