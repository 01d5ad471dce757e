import type { Socket } from "node:net";

/** A frame that the server has received. */
export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Reads the frames after the preface that a socket receives. It shares no code with what it tests. */
export class ReceivedFrames {
  /** Every received frame. */
  readonly all: ReceivedFrame[] = [];
  readonly #socket: Socket;
  readonly #onFrame: (frame: ReceivedFrame) => void;
  readonly #unread: ReceivedFrame[] = [];
  /** Resolves when frames were received, or the socket was closed. */
  #changed = Promise.withResolvers<undefined>();
  #bytes = Buffer.alloc(0);
  /** The rest of the preface. */
  #skip = 24;

  constructor(socket: Socket, onFrame: (frame: ReceivedFrame) => void) {
    this.#socket = socket;
    this.#onFrame = onFrame;
    socket.on("close", () => this.#change());
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
  }

  /** The next frame of a type that no other call has returned. Rejects if there is none before the socket is closed. */
  async next(type: number, streamId?: number): Promise<ReceivedFrame> {
    for (;;) {
      const index = this.#unread.findIndex(
        (one) => one.type === type && (streamId === undefined || one.streamId === streamId),
      );
      if (index >= 0) return this.#unread.splice(index, 1)[0]!;
      if (this.#socket.closed) {
        const types = this.all.map((one) => one.type).join(" ");
        throw new Error(`the connection is closed; received frames of types ${types}`);
      }
      await this.#changed.promise;
    }
  }

  forget(): void {
    this.all.length = 0;
    this.#unread.length = 0;
  }

  #receive(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const start = this.#skip;
      if (this.#bytes.length < start + 9) break;
      const end = start + 9 + this.#bytes.readUIntBE(start, 3);
      if (this.#bytes.length < end) break;
      this.#skip = 0;
      const frame: ReceivedFrame = {
        type: this.#bytes.readUInt8(start + 3),
        flags: this.#bytes.readUInt8(start + 4),
        streamId: this.#bytes.readUInt32BE(start + 5),
        payload: Buffer.from(this.#bytes.subarray(start + 9, end)),
      };
      this.#bytes = this.#bytes.subarray(end);
      this.all.push(frame);
      this.#unread.push(frame);
      this.#onFrame(frame);
    }
    this.#change();
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve(undefined);
  }
}
