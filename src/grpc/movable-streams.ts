import type { ClientHttp2Stream } from "node:http2";
import { NotSentError } from "./lost-streams.ts";

/** The streams of a session whose calls can go elsewhere: those that wait to be sent, and those that can be made again. */
export class MovableStreams {
  readonly #repeatable = new Set<ClientHttp2Stream>();
  /** Undefined once the server has told its settings: whatever comes then is sent at once. */
  #waiting: ClientHttp2Stream[] | undefined = [];

  add(stream: ClientHttp2Stream, isRepeatable: boolean): void {
    if (isRepeatable) this.#repeatable.add(stream);
    this.#waiting?.push(stream);
  }

  /** Forgets one that is closed. */
  remove(stream: ClientHttp2Stream): void {
    this.#repeatable.delete(stream);
  }

  /** Has `limit` of those that wait sent, and ends the rest; false where the settings had come before. */
  sendWaiting(limit: number): boolean {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const stream of waiting?.filter(isOpen).slice(limit) ?? []) {
      stream.destroy(
        new NotSentError("the server allows fewer streams at a time than waited for its settings"),
      );
    }
    return waiting !== undefined;
  }

  /** Ends those that wait. */
  endWaiting(cause?: Error): void {
    for (const stream of this.#waiting?.splice(0).filter(isOpen) ?? []) {
      stream.destroy(new NotSentError("no connection", cause));
    }
  }

  /** Ends those that can be made again. */
  endRepeatable(reason: Error): void {
    for (const stream of this.#repeatable) stream.destroy(reason);
  }
}

function isOpen({ closed, destroyed }: ClientHttp2Stream): boolean {
  return !closed && !destroyed;
}
