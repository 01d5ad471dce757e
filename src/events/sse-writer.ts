import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { abortResponse } from "../http/abort-response.ts";
import { singleLineJson } from "../mapping/json-writer.ts";

/** The headers of an event stream; `no-transform` and `X-Accel-Buffering` keep proxies from buffering it. */
const streamHeaders = Object.entries({
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store, no-transform",
  "X-Accel-Buffering": "no",
});

/** A comment line without a blank line after it: some clients turn `:` and a blank line into an empty message. */
const heartbeat = ":\n";

const blankLine = Buffer.from("\n\n");

/** The names of events. `error` would collide with EventSource's own event. */
export type EventName = "step_update" | "workflow_update" | "stream_error";

/** An event to be written. Has no data after disposal. */
interface WritableEvent extends Disposable {
  readonly name: EventName;
  /** The client's new resume point; undefined leaves it as it is. */
  readonly id: bigint | undefined;
  /** JSON without a line break of any kind, in pieces of UTF-8. */
  readonly data: readonly Uint8Array[];
}

interface WriterOptions {
  /** Counts an event that is written. */
  readonly countEvent: (name: EventName) => void;
  /** Called after an event was written to a connection. */
  readonly trackBuffered: (socket: Socket) => void;
}

/** Writes Server-Sent Events (WHATWG HTML §9.2) as fast as the client reads and no faster. */
export class SseWriter {
  readonly #res: ServerResponse;
  readonly #options: WriterOptions;
  #hasSentData = false;

  constructor(res: ServerResponse, options: WriterOptions) {
    this.#res = res;
    this.#options = options;
  }

  /** Whether the headers are sent. */
  get areHeadersSent(): boolean {
    return this.#res.headersSent;
  }

  /** Sends the headers without waiting for an event. */
  start(): void {
    if (this.areHeadersSent) return;
    for (const [name, value] of streamHeaders) this.#res.setHeader(name, value);
    this.#res.flushHeaders();
  }

  /**
   * Writes an event, after the headers, and disposes of it. Resolves when the client can take the next event or has
   * disconnected. Not an async function, which would keep the data meanwhile.
   */
  write(event: WritableEvent): Promise<void> {
    const hasRoom = this.#res.destroyed || this.#writeBlock(event);
    event[Symbol.dispose]();
    return hasRoom ? Promise.resolve() : drained(this.#res);
  }

  /** Keeps an idle connection alive. Writes nothing while the client has not read what was written before. */
  heartbeat(): void {
    const { headersSent, destroyed, writableNeedDrain } = this.#res;
    if (headersSent && !destroyed && !writableNeedDrain) this.#res.write(heartbeat);
  }

  /** Ends the response cleanly: no more events will come. */
  end(): void {
    this.#res.end();
  }

  /** Responds with 204 instead of a stream: it stops an EventSource. */
  endEmpty(): void {
    this.#res.writeHead(204).end();
  }

  /**
   * Destroys the connection, so that the client resumes. Sends the headers before: a proxy responds 502 to a connection
   * that breaks before the headers, and an EventSource does not reconnect after a 502.
   */
  abort(): void {
    if (!this.#res.destroyed) this.start();
    abortResponse(this.#res);
  }

  /** Writes a fatal error; resolves when it is sent. The connection must be destroyed then. */
  fail(error: unknown): Promise<void> {
    return new Promise((resolve) => {
      if (this.#res.destroyed) return resolve();
      this.#res.once("close", resolve);
      const name: EventName = "stream_error";
      this.#options.countEvent(name);
      const data = [Buffer.from(singleLineJson(error))];
      this.#res.write(eventBlock({ name, id: undefined, data }), () => resolve());
    });
  }

  #writeBlock(event: WritableEvent): boolean {
    const block = eventBlock(event, this.#hasSentData ? undefined : randomRetryMs());
    this.#hasSentData = true;
    this.#options.countEvent(event.name);
    const { socket } = this.#res;
    // Headers and event in one packet. Node would also cork the socket, but until its next tick.
    socket?.cork();
    this.start();
    const hasRoom = this.#res.write(block);
    socket?.uncork();
    if (socket !== null) this.#options.trackBuffered(socket);
    return hasRoom;
  }
}

/** One block of the stream (WHATWG HTML §9.2.6). */
function eventBlock({ name, id, data }: Omit<WritableEvent, keyof Disposable>, retryMs?: number): Buffer {
  const retryLine = retryMs === undefined ? "" : `retry: ${retryMs}\n`;
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  const lines = Buffer.from(`${retryLine}${idLine}event: ${name}\ndata: `);
  return Buffer.concat([lines, ...data, blankLine]);
}

/**
 * How long a client should wait before it reconnects, in milliseconds: one to three seconds, random, so that the clients
 * of a gateway that drains do not all reconnect at once.
 */
function randomRetryMs(): number {
  return 1000 + Math.floor(Math.random() * 2000);
}

/** Resolves when a full response has room again or is closed: after a disconnect, `drain` never follows. */
function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    function settle() {
      res.off("drain", settle).off("close", settle);
      resolve();
    }
    res.on("drain", settle).on("close", settle);
  });
}
