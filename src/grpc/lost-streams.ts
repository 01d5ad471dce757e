import { constants } from "node:http2";
import type { ClientHttp2Stream } from "node:http2";

/** What a stream ends with of which the server has seen nothing. */
export class NotSentError extends Error {
  constructor(message: string, cause?: Error) {
    super(message, { cause });
    this.name = "NotSentError";
  }
}

/** What every stream of a session ends with where the server sent what HTTP/2 does not allow. */
export class BrokenSessionError extends Error {
  /** Whether the stream was the only one, so that nothing else can have broken the session. */
  readonly isCulprit: boolean;

  constructor(cause: Error, isCulprit: boolean) {
    super(cause.message, { cause });
    this.name = "BrokenSessionError";
    this.isCulprit = isCulprit;
  }
}

/** Whether the server has refused a stream, once it is closed without response headers. */
export function isRefused({ rstCode }: ClientHttp2Stream): boolean {
  return rstCode === constants.NGHTTP2_REFUSED_STREAM || rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM;
}

/** Whether an error is Node's, and has this code. */
export function hasCode(error: unknown, code: string): error is Error {
  return error instanceof Error && "code" in error && error.code === code;
}
