import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "./envelope.ts";
import { requestHeaders } from "./metadata.ts";
import type { MessageEncoding, MetadataInit } from "./metadata.ts";
import { decideRetry, firstAttempt } from "./retry.ts";
import { errorCode } from "./http2/index.ts";
import type { HeaderFields, RequestStream, StreamEnd, StreamListener } from "./http2/index.ts";
import type { StreamOpener } from "./session.ts";
import { headerError, isCancelled, statusError } from "./status.ts";

/** A call's path, message, metadata and deadline. */
export interface CallRequest {
  readonly path: string;
  readonly message: Uint8Array;
  /** How `message` is compressed; by default it is not. */
  readonly encoding?: MessageEncoding | undefined;
  readonly metadata: MetadataInit | undefined;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whether the call may be made twice: the method's `idempotency_level` is NO_SIDE_EFFECTS. */
  readonly hasNoSideEffects: boolean;
}

/** Is called with what a call receives, in order. `ended` or `gaveUp` is the last call. */
export interface CallListener {
  /** The call is retried: what was received is discarded. A listener that passes chunks on has no `retried`. */
  retried?(): void;
  /** `bytes` are valid during the call only. */
  received(bytes: Buffer): void;
  /** The server has ended the call; `error` is undefined if the status is OK. */
  ended(error: ConnectError | undefined): void;
  /** This side has ended the call: at its deadline, by its signal, or because it cannot read the response. */
  gaveUp(error: ConnectError): void;
}

type CallState =
  /** Failed attempts are retried if `decideRetry` says so. */
  | "open"
  /** The response is passed on, so that the call is no longer retried (gRFC A6). */
  | "committed"
  /** The listener was called with the outcome, or the call was cancelled. */
  | "ended";

/** The longest time that setTimeout can wait, in milliseconds: 24 days. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * One gRPC call with one request message. Its stream calls the `on…` methods.
 *
 * A call that ends without a status, or with a CANCELLED that this side has not caused, is lost. Its error is Unavailable
 * whatever the HTTP/2 code: servers and proxies that drop a call use different codes, end the stream, or send CANCELLED.
 * The error is Internal if the response breaks its session or cannot be transferred.
 */
export class Call implements StreamListener {
  readonly #opener: StreamOpener;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #signal: AbortSignal | undefined;
  #state: CallState = "open";
  /** Undefined once the call has ended. */
  #listener: CallListener | undefined;
  /** Undefined once the call is committed. */
  #request: CallRequest | undefined;
  #history = firstAttempt;
  #stream: RequestStream;
  #header: HeaderFields | undefined;
  #trailer: HeaderFields | undefined;
  #isBodyEmpty = true;

  /** Makes the call. Throws a ConnectError if its signal is already aborted or the call cannot be sent. */
  constructor(opener: StreamOpener, request: CallRequest, listener: CallListener) {
    const { timeoutMs = 0, signal } = request;
    if (signal?.aborted === true) throw abortError(signal);
    this.#opener = opener;
    this.#stream = this.#open(request, timeoutMs);
    this.#request = request;
    this.#listener = listener;
    this.#signal = signal;
    signal?.addEventListener("abort", this);
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.#expire(), Math.min(timeoutMs, maxTimerMs));
  }

  /** Called by the signal when it aborts (EventListener of DOM): each idle stream would hold a closure. */
  handleEvent(): void {
    this.#giveUp(abortError(this.#signal));
  }

  /** The response headers; undefined until they are received. */
  get header(): HeaderFields | undefined {
    return this.#header;
  }

  /** The trailers; undefined until they are received. */
  get trailer(): HeaderFields | undefined {
    return this.#trailer;
  }

  /** Ends the call without calling its listener; the server receives RST_STREAM (CANCEL). */
  cancel(): void {
    if (this.#state === "ended") return;
    this.#transition("ended");
    this.#stream.cancel();
  }

  /** Stops `received` until `resume`; flow control soon stops the server. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  onHeaders(status: number, headers: HeaderFields, isEndOfStream: boolean): void {
    const error = headerError(status, headers);
    if (error !== undefined) return this.#giveUp(error);
    this.#header = headers;
    const isFinal = isEndOfStream ? !isCancelled(headers) : this.#listener?.retried === undefined;
    if (isFinal) this.#transition("committed");
  }

  onData(bytes: Buffer): void {
    this.#isBodyEmpty = false;
    this.#listener?.received(bytes);
  }

  onTrailers(trailers: HeaderFields): void {
    this.#trailer = trailers;
  }

  /** A response that is not complete has an outcome only if its status is an error. */
  onClosed(end: StreamEnd): void {
    const isComplete = end.kind === "ended";
    const status = isComplete ? (this.#trailer ?? this.#statusInHeader()) : this.#trailer;
    const error = status && statusError(status, this.#header);
    const hasOutcome = isComplete ? status !== undefined : error !== undefined;
    const isLost = !hasOutcome || (isComplete && status !== undefined && isCancelled(status));
    if (isLost && this.#retry(end)) return;
    const outcome = hasOutcome ? error : this.#lossError(end);
    const listener = this.#listener;
    this.#transition("ended");
    listener?.ended(outcome);
  }

  /** The status of a response without messages may be in its headers (Trailers-Only); before messages it is ignored. */
  #statusInHeader(): HeaderFields | undefined {
    if (this.#header?.["grpc-status"] === undefined) return undefined;
    return this.#isBodyEmpty ? this.#header : {};
  }

  #open(request: CallRequest, timeoutMs: number, onDedicatedSession = false): RequestStream {
    const { path, message, encoding, metadata, hasNoSideEffects } = request;
    try {
      const headers = requestHeaders(timeoutMs > 0 ? timeoutMs : undefined, metadata, encoding);
      return this.#opener.open(
        { path, headers, body: encodeEnvelope(message, encoding !== undefined), hasNoSideEffects },
        this,
        onDedicatedSession,
      );
    } catch (error) {
      throw ConnectError.from(error, Code.Internal);
    }
  }

  /** Retries the call within its deadline. Returns false if it is committed or must not be retried. */
  #retry(end: StreamEnd): boolean {
    const request = this.#request;
    if (request === undefined) return false;
    const retry = decideRetry(this.#history, {
      end,
      hasHeaders: this.#header !== undefined,
      hasNoSideEffects: request.hasNoSideEffects,
      maxAttempts: this.#opener.maxAttempts,
    });
    if (retry === undefined) return false;
    const { timeoutMs = 0 } = request;
    const remainingMs = timeoutMs > 0 ? Math.max(1, timeoutMs - (performance.now() - this.#startedAt)) : 0;
    try {
      this.#stream = this.#open(request, remainingMs, retry.onDedicatedSession);
    } catch {
      // The opener was closed meanwhile. The call fails with the error of the lost attempt, which has the reason.
      return false;
    }
    this.#history = retry.history;
    this.#header = undefined;
    this.#trailer = undefined;
    this.#isBodyEmpty = true;
    this.#listener?.retried?.();
    return true;
  }

  #lossError(end: StreamEnd): ConnectError {
    const { cause } = end;
    const message = cause?.message ?? `the call was closed by HTTP/2 code ${end.code}`;
    const code = this.#isResponseToBlame(end) ? Code.Internal : Code.Unavailable;
    return new ConnectError(message, code, undefined, undefined, cause);
  }

  /**
   * Whether the response is the reason: it broke its session, or its headers were too long, which grpc-go reports by
   * INTERNAL_ERROR when it sends them and Node's server by ENHANCE_YOUR_CALM.
   */
  #isResponseToBlame(end: StreamEnd): boolean {
    if (end.kind === "invalid") return true;
    if (end.kind === "session-broken") return end.isOnlyStream;
    if (end.kind !== "reset" || this.#request === undefined) return false;
    if (end.code === errorCode.internalError) return this.#header === undefined;
    return end.code === errorCode.enhanceYourCalm && this.#request.hasNoSideEffects;
  }

  #expire(): void {
    this.#giveUp(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  }

  #giveUp(error: ConnectError): void {
    const listener = this.#listener;
    this.cancel();
    listener?.gaveUp(error);
  }

  /** Releases what the new state does not need. */
  #transition(state: "committed" | "ended"): void {
    this.#state = state;
    this.#request = undefined;
    if (state === "committed") return;
    this.#listener = undefined;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this);
  }
}

function abortError(signal: AbortSignal | undefined): ConnectError {
  return ConnectError.from(signal?.reason, Code.Canceled);
}
