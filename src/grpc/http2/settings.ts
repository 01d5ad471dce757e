import type { BodySender } from "./body-sender.ts";
import { allStreamsCost } from "./frame-budget.ts";
import type { FrameBudget } from "./frame-budget.ts";
import type { Frame } from "./frame-reader.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { HpackEncoder } from "./hpack-encoder.ts";
import {
  ConnectionError,
  defaultWindowBytes,
  errorCode,
  frameFlag,
  frameSizeError,
  frameType,
  maxWindowBytes,
  minMaxFrameBytes,
  protocolError,
} from "./protocol.ts";
import type { StreamTable } from "./stream-table.ts";

/** Names of settings (RFC 9113 §6.5.2). */
export const settingName = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** The length of one setting, in bytes. */
const settingBytes = 6;

/** What the server's settings change. */
interface Affected {
  readonly encoder: HpackEncoder;
  readonly bodies: BodySender;
  readonly streams: StreamTable;
}

/** The SETTINGS of both sides, and their acknowledgements (RFC 9113 §6.5). */
export class Settings {
  readonly #writer: FrameWriter;
  readonly #budget: FrameBudget;
  readonly #affected: Affected;
  readonly #onAcknowledged: (() => void)[] = [];
  #areReceived = false;
  #maxStreams = Infinity;
  /** The flow-control window of each stream that the server sets. */
  #initialWindow = defaultWindowBytes;

  constructor(writer: FrameWriter, budget: FrameBudget, affected: Affected) {
    this.#writer = writer;
    this.#budget = budget;
    this.#affected = affected;
  }

  /** Whether the server's first settings were received. */
  get areReceived(): boolean {
    return this.#areReceived;
  }

  /** How many concurrent streams the server allows; Infinity without a limit. */
  get maxStreams(): number {
    return this.#maxStreams;
  }

  /** Sends settings, and calls back when the server has acknowledged them. */
  send(settings: readonly (readonly [name: number, value: number])[], onAcknowledged: () => void): void {
    this.#onAcknowledged.push(onAcknowledged);
    let at = this.#writer.frame(frameType.settings, 0, 0, settingBytes * settings.length);
    for (const [name, value] of settings) {
      at = this.#writer.buffer.writeUInt16BE(name, at);
      at = this.#writer.buffer.writeUInt32BE(value, at);
    }
  }

  /** Applies and acknowledges the server's settings. Returns false if the frame is only an acknowledgement. */
  receive({ streamId, flags, bytes, start, end }: Frame): boolean {
    if (streamId !== 0) throw protocolError("SETTINGS of a stream");
    const isAcknowledgement = (flags & frameFlag.ack) !== 0;
    if (isAcknowledgement ? start !== end : (end - start) % settingBytes !== 0)
      throw frameSizeError(end - start);
    if (isAcknowledgement) {
      this.#receiveAcknowledgement();
      return false;
    }
    this.#budget.spend(allStreamsCost);
    for (let at = start; at < end; at += settingBytes)
      this.#apply(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
    // Once for all values in the frame: each costs as much as there are open streams.
    this.#affected.bodies.setInitialWindow(this.#initialWindow, this.#affected.streams);
    this.#writer.frame(frameType.settings, frameFlag.ack, 0, 0);
    this.#areReceived = true;
    return true;
  }

  #receiveAcknowledgement(): void {
    const onAcknowledged = this.#onAcknowledged.shift();
    if (onAcknowledged === undefined) this.#budget.spend();
    else onAcknowledged();
  }

  #apply(name: number, value: number): void {
    if (name === settingName.headerTableSize) this.#affected.encoder.setMaxTableSize(value);
    else if (name === settingName.maxConcurrentStreams) this.#maxStreams = value;
    else if (name === settingName.initialWindowSize) {
      if (value > maxWindowBytes)
        throw new ConnectionError(errorCode.flowControlError, `an initial window of ${value} bytes`);
      this.#initialWindow = value;
    } else if (name === settingName.enablePush && value !== 0)
      throw protocolError("a server that allows push");
    // Frames of the smallest size are sent, which every server accepts.
    else if (name === settingName.maxFrameSize && (value < minMaxFrameBytes || value >= 2 ** 24))
      throw protocolError(`a maximum frame size of ${value} bytes`);
  }
}
