/** Constants of HTTP/2 (RFC 9113) that more than one file uses, and the error that ends a connection. */

/** Frame types (RFC 9113 §6). */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Flags of frames. ACK belongs to SETTINGS and PING. */
export const frameFlag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

/** Error codes (RFC 9113 §7). */
export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

/** The length of a frame's header, in bytes. */
export const frameHeaderBytes = 9;

/** SETTINGS_MAX_FRAME_SIZE by default, and the smallest that may be set, in bytes. */
export const minMaxFrameBytes = 16_384;

/** The flow-control windows of a connection and of each stream, until they are changed, in bytes. */
export const defaultWindowBytes = 65_535;

/** The largest flow-control window, in bytes. */
export const maxWindowBytes = 2 ** 31 - 1;

/** The peer violated HTTP/2 so that the connection must end with `code` (RFC 9113 §5.4.1). */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The error for a violation without a more specific code. */
export function protocolError(message: string): ConnectionError {
  return new ConnectionError(errorCode.protocolError, message);
}

/** The error for a frame of a wrong length. */
export function frameSizeError(bytes: number): ConnectionError {
  return new ConnectionError(errorCode.frameSizeError, `a frame with ${bytes} bytes of payload`);
}
