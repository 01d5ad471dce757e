import { constants } from "node:http2";
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { isRefused } from "./session.ts";
import type { RequestStream, ResponseHeaders, StreamEnd, StreamListener } from "./session.ts";

/** The session of a stream. */
interface StreamOwner {
  onResponse(): void;
  /** Called before the stream's listener, which may open another stream. */
  onStreamClosed(stream: NodeStream, wasRefused: boolean): void;
}

/** Destroys a stream whose request was not sent. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
}

/** Destroys the streams of a session on which the server violated HTTP/2. */
export class BrokenSessionError extends Error {
  override readonly name = "BrokenSessionError";
  readonly isOnlyStream: boolean;

  constructor(cause: Error, isOnlyStream: boolean) {
    super(cause.message, { cause });
    this.isOnlyStream = isOnlyStream;
  }
}

/** A request stream of node:http2. */
export class NodeStream implements RequestStream {
  readonly #stream: ClientHttp2Stream;
  // Undefined after the end: Node keeps a closed stream for a while, which must not keep the response in memory.
  #listener: StreamListener | undefined;
  #hasResponse = false;
  #failure: Error | undefined;

  constructor(stream: ClientHttp2Stream, body: Uint8Array, listener: StreamListener, owner: StreamOwner) {
    this.#stream = stream;
    this.#listener = listener;
    stream.on("response", (headers, flags) => {
      this.#hasResponse = true;
      owner.onResponse();
      this.#receive(headers, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    });
    stream.on("trailers", (trailers: IncomingHttpHeaders) => this.#listener?.onTrailers(trailers));
    stream.on("error", (error: Error) => {
      this.#failure = error;
    });
    stream.on("close", () => {
      owner.onStreamClosed(this, !this.#hasResponse && isRefused(this.#end()));
      if (this.#listener !== undefined) this.#report(this.#end());
    });
    stream.end(body);
  }

  get isOpen(): boolean {
    return !this.#stream.closed && !this.#stream.destroyed;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cancel(): void {
    this.#listener = undefined;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  destroy(error: Error): void {
    this.#stream.destroy(error);
  }

  #receive(headers: ResponseHeaders, isEndOfStream: boolean): void {
    this.#listener?.onHeaders(headers, isEndOfStream);
    if (this.#listener === undefined) return;
    this.#stream.on("data", (chunk: Buffer) => this.#listener?.onData(chunk));
    this.#stream.on("end", () => {
      if (this.#listener === undefined) return;
      // A server may respond before it has read the whole request. The rest of the request is not sent.
      if (!this.#stream.writableFinished) this.#stream.close(constants.NGHTTP2_CANCEL);
      // The code is CANCEL if the server reset the stream with it: Node emits "end" then too.
      this.#report({ kind: "ended", code: this.#stream.rstCode });
    });
  }

  #report(end: StreamEnd): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onClosed(end);
  }

  #end(): StreamEnd {
    const failure = this.#failure;
    const code = this.#stream.rstCode;
    const cause = failure?.cause instanceof Error ? failure.cause : failure;
    if (failure instanceof NotSentError) return { kind: "not-sent", code, cause };
    if (failure instanceof BrokenSessionError)
      return { kind: "session-broken", code, cause, isOnlyStream: failure.isOnlyStream };
    if (!this.#hasResponse && code === constants.NGHTTP2_REFUSED_STREAM)
      return { kind: "refused", code, cause };
    const isReset = failure === undefined || hasCode(failure, "ERR_HTTP2_STREAM_ERROR");
    return { kind: isReset ? "reset" : "session-lost", code, cause };
  }
}

/** Whether an error has this code of Node. */
export function hasCode(error: unknown, code: string): error is Error {
  return error instanceof Error && "code" in error && error.code === code;
}
