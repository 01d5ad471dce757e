import { ConnectionError, errorCode } from "./protocol.ts";

/** How many frames without content a peer may send at once, and again each second. */
const burst = 1000;

/** A frame that concerns every stream, SETTINGS or GOAWAY, costs as much as this many others. */
export const allStreamsCost = 20;

/** How many more each reason allows, such as a ping and window updates. */
const perReason = 8;

/**
 * Bounds the frames that cost work and bring nothing: SETTINGS, PING, RST_STREAM, WINDOW_UPDATE, PRIORITY, empty DATA,
 * frames of closed streams and unknown ones (RFC 9113 §10.5). There are reasons for more: frames with content, and
 * streams that this side opens or resets. As many are saved up as all open streams are reasons for.
 */
export class FrameBudget {
  readonly #streams: { readonly size: number };
  #left = burst;
  #refilledAt = performance.now();

  /** `streams` are the open ones. */
  constructor(streams: { readonly size: number }) {
    this.#streams = streams;
  }

  /** A frame without content was received. Throws ENHANCE_YOUR_CALM if there were too many. */
  spend(cost = 1): void {
    this.#left -= cost;
    if (this.#left > 0) return;
    const now = performance.now();
    if (now - this.#refilledAt < 1000)
      throw new ConnectionError(errorCode.enhanceYourCalm, `more than ${burst} frames without content`);
    this.#refilledAt = now;
    this.#left = burst;
  }

  /** A frame with content was received or sent, or a stream is opened or reset. */
  earn(): void {
    if (this.#left < burst + perReason * this.#streams.size) this.#left += perReason;
  }
}
