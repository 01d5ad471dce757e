import type { IncomingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "./envelope.ts";
import { requestHeaders } from "./metadata.ts";
import type { MetadataInit } from "./metadata.ts";
import { decideRetry } from "./retry.ts";
import type { RetryHistory } from "./retry.ts";
import { errorCodes } from "./session.ts";
import type { RequestStream, ResponseHeaders, StreamEnd, StreamListener, StreamOpener } from "./session.ts";
import { headerError, isCancelled, statusError } from "./status.ts";

/** What a call sends, and how long it may last. */
export interface CallRequest {
  readonly path: string;
  readonly message: Uint8Array;
  readonly metadata: MetadataInit | undefined;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whether the server does no work twice when the call is made twice. */
  readonly isIdempotent: boolean;
}

/** Is called with what a call receives, in order; after `ended` or `gaveUp` not again. */
export interface CallListener {
  /** The call is retried: what was received does not count. Left out if it was passed on. */
  retried?(): void;
  received(chunk: Buffer): void;
  /** The server has ended the call; without an error if the status is OK. */
  ended(error: ConnectError | undefined): void;
  /** This side has ended the call: by its deadline, its signal, or because the response cannot be read. */
  gaveUp(error: ConnectError): void;
}

type CallState =
  /** Lost attempts are retried, as `decideRetry` says. */
  | "open"
  /** A response is passed on: the call is not retried any more (gRFC A6). */
  | "committed"
  /** Its listener knows the outcome, or the call is cancelled. */
  | "ended";

/** The longest time that setTimeout can wait, in milliseconds: 24 days. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * One gRPC call with one request message. A call that ends without status or trailers was lost, which is Unavailable
 * whatever the HTTP/2 code: servers and proxies that drop a call do not agree on one, and many just end it, or say
 * CANCELLED. Exceptions are responses that break their session or cannot be transferred: those are Internal.
 */
export class Call implements StreamListener {
  readonly #opener: StreamOpener;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#giveUp(abortError(this.#signal));
  #state: CallState = "open";
  /** Undefined once the call has ended. */
  #listener: CallListener | undefined;
  /** Undefined once the call is committed. */
  #request: CallRequest | undefined;
  #retries: RetryHistory | undefined;
  #stream: RequestStream;
  #header: ResponseHeaders | undefined;
  #trailer: IncomingHttpHeaders | undefined;
  #isBodyEmpty = true;

  /** Makes the call. Throws a ConnectError if its signal is aborted already, or it cannot be sent. */
  constructor(opener: StreamOpener, request: CallRequest, listener: CallListener) {
    const { timeoutMs = 0, signal } = request;
    if (signal?.aborted === true) throw abortError(signal);
    this.#opener = opener;
    this.#stream = this.#open(request, timeoutMs);
    this.#request = request;
    this.#listener = listener;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.#expire(), Math.min(timeoutMs, maxTimerMs));
  }

  /** The received headers, or undefined before they are there. */
  get header(): ResponseHeaders | undefined {
    return this.#header;
  }

  /** The received trailers, or undefined before they are there. */
  get trailer(): IncomingHttpHeaders | undefined {
    return this.#trailer;
  }

  /** Ends the call without notice to its listener; the server receives RST_STREAM (CANCEL). */
  cancel(): void {
    if (this.#state === "ended") return;
    this.#transition("ended");
    this.#stream.cancel();
  }

  /** Stops `received`, and soon the server, until `resume`. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** For its stream. */
  onHeaders(headers: ResponseHeaders, isEndOfStream: boolean): void {
    const error = headerError(headers);
    if (error !== undefined) return this.#giveUp(error);
    this.#header = headers;
    const isFinal = isEndOfStream ? !isCancelled(headers) : this.#listener?.retried === undefined;
    if (isFinal) this.#transition("committed");
  }

  /** For its stream. */
  onData(chunk: Buffer): void {
    this.#isBodyEmpty = false;
    this.#listener?.received(chunk);
  }

  /** For its stream. */
  onTrailers(trailers: IncomingHttpHeaders): void {
    this.#trailer = trailers;
  }

  /** For its stream. Unless the response is complete, it counts only if it is an error. */
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

  /** A response without messages may have its status in the header; before messages it does not count. */
  #statusInHeader(): IncomingHttpHeaders | undefined {
    if (this.#header?.["grpc-status"] === undefined) return undefined;
    return this.#isBodyEmpty ? this.#header : {};
  }

  #open(request: CallRequest, timeoutMs: number, isOnOwnSession = false): RequestStream {
    const { path, message, metadata, isIdempotent } = request;
    try {
      const headers = requestHeaders(path, timeoutMs > 0 ? timeoutMs : undefined, metadata);
      return this.#opener.open(
        { headers, body: encodeEnvelope(message), isIdempotent },
        this,
        isOnOwnSession,
      );
    } catch (error) {
      throw ConnectError.from(error, Code.Internal);
    }
  }

  /** Retries the call within its deadline, unless it is committed or must not be retried. */
  #retry(end: StreamEnd): boolean {
    const request = this.#request;
    if (request === undefined) return false;
    this.#retries ??= { attempts: 1, losses: 0, wasTurnedAway: false };
    const decision = decideRetry(this.#retries, {
      end,
      hasHeaders: this.#header !== undefined,
      isIdempotent: request.isIdempotent,
      maxAttempts: this.#opener.maxAttempts,
    });
    if (decision === "give-up") return false;
    const { timeoutMs = 0 } = request;
    const leftMs = timeoutMs > 0 ? Math.max(1, timeoutMs - (performance.now() - this.#startedAt)) : 0;
    try {
      this.#stream = this.#open(request, leftMs, decision === "retry-on-own-session");
    } catch {
      // Closed meanwhile: the loss says more.
      return false;
    }
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
   * Whether the response is to blame: it has broken its session, or could not be sent (INTERNAL_ERROR, as grpc-go says of
   * headers that are too long) or received (ENHANCE_YOUR_CALM, as Node says of them) at any attempt.
   */
  #isResponseToBlame(end: StreamEnd): boolean {
    if (end.kind === "session-broken") return end.isOnlyStream;
    if (end.kind !== "reset" || this.#request === undefined) return false;
    if (end.code === errorCodes.internalError) return this.#header === undefined;
    return end.code === errorCodes.enhanceYourCalm && this.#request.isIdempotent;
  }

  #expire(): void {
    this.#giveUp(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  }

  #giveUp(error: ConnectError): void {
    const listener = this.#listener;
    this.cancel();
    listener?.gaveUp(error);
  }

  /** Forgets what the new state does not need. */
  #transition(state: "committed" | "ended"): void {
    this.#state = state;
    this.#request = undefined;
    if (state === "committed") return;
    this.#listener = undefined;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

function abortError(signal: AbortSignal | undefined): ConnectError {
  return ConnectError.from(signal?.reason, Code.Canceled);
}
