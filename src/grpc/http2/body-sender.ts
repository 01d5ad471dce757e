import type { FrameBudget } from "./frame-budget.ts";
import type { FrameWriter } from "./frame-writer.ts";
import {
  ConnectionError,
  defaultWindowBytes,
  errorCode,
  frameFlag,
  frameType,
  maxWindowBytes,
  minMaxFrameBytes,
} from "./protocol.ts";
import type { Stream } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";

/** DATA of this size or more was worth a WINDOW_UPDATE, in bytes. */
const worthAnUpdate = 1024;

/** Sends request bodies as flow control allows (RFC 9113 §5.2). Those that wait send a frame each in turn. */
export class BodySender {
  readonly #writer: FrameWriter;
  readonly #budget: FrameBudget;
  readonly #waiting = new Set<Stream>();
  #window = defaultWindowBytes;
  /** The window of a new stream. */
  #initialWindow = defaultWindowBytes;

  constructor(writer: FrameWriter, budget: FrameBudget) {
    this.#writer = writer;
    this.#budget = budget;
  }

  /** Sends the whole body of a new stream. */
  send(stream: Stream, body: Uint8Array): void {
    stream.sendWindow = this.#initialWindow;
    stream.unsent = body;
    if (this.#isSent(stream)) return;
    this.#waiting.add(stream);
    this.sendWaiting();
  }

  /** The rest of the body is not sent. */
  drop(stream: Stream): void {
    if (stream.unsent === undefined) return;
    stream.unsent = undefined;
    this.#waiting.delete(stream);
  }

  /** Sends what the windows allow now. */
  sendWaiting(): void {
    for (const stream of this.#waiting) {
      const before = stream.unsent;
      const isSent = this.#isSent(stream);
      if (!isSent && stream.unsent === before) continue;
      // The next turn of a stream is after those of all others, now or when a window is larger.
      this.#waiting.delete(stream);
      if (!isSent) this.#waiting.add(stream);
    }
  }

  /** Enlarges the window of the connection. Throws FLOW_CONTROL_ERROR above the largest (RFC 9113 §6.9.1). */
  enlargeWindow(bytes: number): void {
    this.#window += bytes;
    if (this.#window > maxWindowBytes) throw windowTooLarge();
    this.sendWaiting();
  }

  /** Changes the windows of new and of open streams by SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.9.2). */
  setInitialWindow(bytes: number, streams: StreamTable): void {
    const change = bytes - this.#initialWindow;
    if (change === 0) return;
    this.#initialWindow = bytes;
    for (const stream of streams.all()) {
      stream.sendWindow += change;
      if (stream.sendWindow > maxWindowBytes) throw windowTooLarge();
    }
  }

  /** Sends one frame of a body. Returns whether nothing is left. */
  #isSent(stream: Stream): boolean {
    const { unsent } = stream;
    if (unsent === undefined) return true;
    const length = Math.min(unsent.length, this.#window, stream.sendWindow, minMaxFrameBytes);
    const isLast = length === unsent.length;
    if (this.#writer.isCongested || (length <= 0 && !isLast)) return false;
    const at = this.#writer.frame(frameType.data, isLast ? frameFlag.endStream : 0, stream.id, length);
    this.#writer.buffer.set(isLast ? unsent : unsent.subarray(0, length), at);
    this.#window -= length;
    stream.sendWindow -= length;
    stream.unsent = isLast ? undefined : unsent.subarray(length);
    if (length >= worthAnUpdate) this.#budget.earn();
    return isLast;
  }
}

function windowTooLarge(): ConnectionError {
  return new ConnectionError(errorCode.flowControlError, "a flow-control window over 2^31-1 bytes");
}
