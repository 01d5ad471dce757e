import type { FrameBudget } from "./frame-budget.ts";
import type { Frame } from "./frame-reader.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { frameFlag, frameSizeError, frameType, protocolError } from "./protocol.ts";

/** The length of a ping's payload, in bytes. */
const payloadBytes = 8;

/** The PING frames of both sides (RFC 9113 §6.7). The payload of a ping is its number. */
export class Pings {
  readonly #writer: FrameWriter;
  readonly #budget: FrameBudget;
  readonly #onAcknowledged: (() => void)[] = [];
  #acknowledged = 0n;

  constructor(writer: FrameWriter, budget: FrameBudget) {
    this.#writer = writer;
    this.#budget = budget;
  }

  /** Sends a ping, and calls back when the server has acknowledged it. */
  send(onAcknowledged: () => void): void {
    this.#onAcknowledged.push(onAcknowledged);
    const at = this.#writer.frame(frameType.ping, 0, 0, payloadBytes);
    this.#writer.buffer.writeBigUInt64BE(this.#acknowledged + BigInt(this.#onAcknowledged.length), at);
  }

  receive({ streamId, flags, bytes, start, end }: Frame): void {
    if (streamId !== 0) throw protocolError("PING of a stream");
    if (end - start !== payloadBytes) throw frameSizeError(end - start);
    if ((flags & frameFlag.ack) !== 0) return this.#receiveAcknowledgement(bytes.readBigUInt64BE(start));
    this.#budget.spend();
    const at = this.#writer.frame(frameType.ping, frameFlag.ack, 0, payloadBytes);
    bytes.copy(this.#writer.buffer, at, start, end);
  }

  #receiveAcknowledgement(ping: bigint): void {
    const isExpected = ping === this.#acknowledged + 1n;
    const onAcknowledged = isExpected ? this.#onAcknowledged.shift() : undefined;
    if (onAcknowledged === undefined) return this.#budget.spend();
    this.#acknowledged = ping;
    onAcknowledged();
  }
}
