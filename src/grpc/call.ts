import { constants } from "node:http2";
import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { GrpcConnection } from "./session-pool.ts";
import { frameOf } from "./envelope.ts";
import { BrokenSessionError, hasCode, isRefused, NotSentError } from "./lost-streams.ts";
import { requestHeaders } from "./request-headers.ts";
import type { MetadataInit } from "./request-headers.ts";
import { headerError, isCancelled, statusError } from "./status.ts";

/** What a call sends, and how long it may last. */
export interface GrpcRequest {
  readonly path: string;
  readonly message: Uint8Array;
  readonly metadata: MetadataInit | undefined;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whether the server does no work twice when the call is made twice. */
  readonly isRepeatable: boolean;
}

/** What a call brings, in order. After `ended` or `gaveUp` there is nothing more. */
export interface GrpcCallListener {
  /** The server has begun an answer that is more than its status. */
  begun(): void;
  /** What was received counts no more: the call is made again. Left out where it was passed on. */
  again?(): void;
  received(chunk: Buffer): void;
  /** The server has ended the call; undefined says with the status OK. */
  ended(error: ConnectError | undefined): void;
  /** This side has ended the call: by its deadline, its signal, or because the answer cannot be read. */
  gaveUp(error: ConnectError): void;
}

/** How often a call may be lost once a server may have seen it: one that does servers harm is not to reach them all. */
const maxLosses = 4;

/** The longest time that setTimeout can wait, in milliseconds: 24 days. */
const longestTimer = 2 ** 31 - 1;

/**
 * One gRPC call, with one request message, in progress. A call that ends without status or trailers was lost,
 * which is Unavailable, by whatever HTTP/2 code: servers and proxies that drop a call do not agree on one, and
 * many just end it, or say CANCELLED. One that was lost before any answer is made again, as often as the
 * connection allows, where no work is done twice by that: a refused stream was not processed (RFC 9113 §8.7). One that
 * may have broken its session is made again on a session of its own, and one that certainly has is not: that is
 * Internal, and so is a reset that says so, or that meets every try.
 */
export class Call {
  readonly #connection: GrpcConnection;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#giveUp(abortError(this.#signal));
  // Forgotten at the end: Node keeps a stream for a while after it, and what was received is not to wait with it.
  #listener: GrpcCallListener | undefined;
  /** For another try; undefined where there is to be none any more. */
  #request: GrpcRequest | undefined;
  #tries = 1;
  #losses = 0;
  #wasRefused = false;
  #stream: ClientHttp2Stream;
  #header: IncomingHttpHeaders | undefined;
  #trailer: IncomingHttpHeaders | undefined;
  #failure: Error | undefined;
  #isBodyEmpty = true;

  /** Makes the call. Throws a ConnectError when its signal is aborted already, or it cannot be sent. */
  constructor(connection: GrpcConnection, request: GrpcRequest, listener: GrpcCallListener) {
    const { timeoutMs = 0, signal } = request;
    if (signal?.aborted === true) throw abortError(signal);
    this.#connection = connection;
    this.#stream = this.#open(request, timeoutMs);
    this.#request = request;
    this.#listener = listener;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.#expire(), Math.min(timeoutMs, longestTimer));
  }

  /** The received header, or undefined before it is there. */
  get header(): IncomingHttpHeaders | undefined {
    return this.#header;
  }

  /** The received trailer, or undefined before it is there. */
  get trailer(): IncomingHttpHeaders | undefined {
    return this.#trailer;
  }

  /** Ends the call without a word to its listener; the server is told by RST_STREAM (CANCEL). */
  cancel(): void {
    if (this.#finish() !== undefined) this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Stops `received`, and soon the server, until `resume`. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  #open(request: GrpcRequest, timeoutMs: number, isAlone = false): ClientHttp2Stream {
    const stream = openStream(this.#connection, request, timeoutMs > 0 ? timeoutMs : undefined, isAlone);
    stream.on("response", (headers, flags) => this.#begin(headers, flags));
    stream.on("trailers", (headers: IncomingHttpHeaders) => {
      this.#trailer = headers;
    });
    stream.on("error", (error: Error) => {
      this.#failure = error;
    });
    stream.on("close", () => {
      if (stream === this.#stream) this.#close();
    });
    stream.end(frameOf(request.message));
    return stream;
  }

  #begin(headers: IncomingHttpHeaders & IncomingHttpStatusHeader, flags: number): void {
    if (this.#listener === undefined || this.#header !== undefined) return;
    const error = headerError(headers);
    if (error !== undefined) return this.#giveUp(error);
    const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    this.#header = headers;
    const isFinal = isWhole ? !isCancelled(headers) : this.#listener.again === undefined;
    if (isFinal) this.#request = undefined;
    this.#stream.on("data", (chunk: Buffer) => {
      this.#isBodyEmpty = false;
      this.#listener?.received(chunk);
    });
    this.#stream.on("end", () => this.#end());
    if (!isWhole) this.#listener.begun();
  }

  #end(): void {
    if (this.#listener === undefined) return;
    // A server may answer before it has read the whole request, which is then of no use.
    if (!this.#stream.writableFinished) this.#stream.close(constants.NGHTTP2_CANCEL);
    const status = this.#trailer ?? this.#statusInHeader();
    const isLost = status === undefined || isCancelled(status);
    if (isLost && this.#openAgain()) return;
    const error = status === undefined ? this.#loss() : statusError(status, this.#header);
    this.#finish()?.ended(error);
  }

  /** Where there are no messages, the header may tell the status; before messages it is of no worth. */
  #statusInHeader(): IncomingHttpHeaders | undefined {
    if (this.#header?.["grpc-status"] === undefined) return undefined;
    return this.#isBodyEmpty ? this.#header : {};
  }

  /** Closed, and not ended: what the server has told is an answer only where it is an error. */
  #close(): void {
    if (this.#listener === undefined) return;
    const error = this.#trailer === undefined ? undefined : statusError(this.#trailer, this.#header);
    if (error === undefined && this.#openAgain()) return;
    const told = error ?? this.#loss();
    this.#finish()?.ended(told);
  }

  /** Makes a call that was lost again, within its deadline, where that is of use and does no harm. */
  #openAgain(): boolean {
    const request = this.#request;
    if (request === undefined || !this.#mayOpenAgain(request)) return false;
    const { timeoutMs = 0 } = request;
    const left = timeoutMs > 0 ? Math.max(1, timeoutMs - (performance.now() - this.#startedAt)) : 0;
    try {
      this.#stream = this.#open(request, left, this.#failure instanceof BrokenSessionError);
      this.#header = undefined;
      this.#trailer = undefined;
      this.#failure = undefined;
      this.#isBodyEmpty = true;
      this.#listener?.again?.();
      return true;
    } catch {
      // The connection was closed meanwhile; the first loss tells more.
      return false;
    }
  }

  #mayOpenAgain({ isRepeatable }: GrpcRequest): boolean {
    const failure = this.#failure;
    if (failure instanceof BrokenSessionError && failure.isCulprit) return false;
    const hasBeenRefused = this.#header === undefined && isRefused(this.#stream);
    const isUnprocessed =
      failure instanceof NotSentError ||
      (hasBeenRefused && this.#stream.rstCode === constants.NGHTTP2_REFUSED_STREAM);
    if (!isUnprocessed) {
      this.#losses += 1;
      if (!isRepeatable || this.#losses >= maxLosses) return false;
    }
    // The second refusal may be the session's, which is replaced then: one try more.
    if (hasBeenRefused && !this.#wasRefused) {
      this.#wasRefused = true;
      return true;
    }
    if (this.#tries >= this.#connection.tries) return false;
    this.#tries += 1;
    return true;
  }

  #loss(): ConnectError {
    const cause = this.#failure?.cause ?? this.#failure;
    const message =
      cause instanceof Error ? cause.message : `the call was closed by HTTP/2 code ${this.#stream.rstCode}`;
    const code = this.#isOwnFault() ? Code.Internal : Code.Unavailable;
    return new ConnectError(message, code, undefined, undefined, cause);
  }

  /**
   * Whether the response is to blame: it has broken its session, or could not be sent (INTERNAL_ERROR, as grpc-go says of
   * headers that are too long) or received (ENHANCE_YOUR_CALM, as Node says of them) each time.
   */
  #isOwnFault(): boolean {
    const failure = this.#failure;
    if (failure instanceof BrokenSessionError) return failure.isCulprit;
    if (!hasCode(failure, "ERR_HTTP2_STREAM_ERROR") || this.#request === undefined) return false;
    const { rstCode } = this.#stream;
    if (rstCode === constants.NGHTTP2_INTERNAL_ERROR) return this.#header === undefined;
    return rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM && this.#request.isRepeatable;
  }

  #expire(): void {
    this.#giveUp(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  }

  #giveUp(error: ConnectError): void {
    const listener = this.#listener;
    this.cancel();
    listener?.gaveUp(error);
  }

  /** Lets go of what the call holds; the listener, if it was not told of an end before. */
  #finish(): GrpcCallListener | undefined {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#request = undefined;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    return listener;
  }
}

function openStream(
  connection: GrpcConnection,
  { path, metadata, isRepeatable }: GrpcRequest,
  timeoutMs: number | undefined,
  isAlone: boolean,
): ClientHttp2Stream {
  try {
    return connection.open(requestHeaders(path, timeoutMs, metadata), { isRepeatable, isAlone });
  } catch (error) {
    throw ConnectError.from(error, Code.Internal);
  }
}

function abortError(signal: AbortSignal | undefined): ConnectError {
  return ConnectError.from(signal?.reason, Code.Canceled);
}
