import type { ServerResponse } from "node:http";
import { abortResponse } from "../http/abort-response.ts";
import { singleLineJson } from "../mapping/json-writer.ts";
import { eventFrame, heartbeatFrame } from "./event-block.ts";

/** The headers of an event stream; `no-transform` and `X-Accel-Buffering` keep proxies from holding events back. */
const streamHeaders = Object.entries({
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store, no-transform",
  "X-Accel-Buffering": "no",
});

/**
 * What a client should wait before it reconnects, in milliseconds: one to three seconds, another time for each, so
 * that the clients of a gateway that goes do not all come to another one at once.
 */
function someRetryMs(): number {
  return 1000 + Math.floor(Math.random() * 2000);
}

/** What an event may be called; the name `error` would collide with EventSource's own event. */
export type EventName = "step_update" | "workflow_update" | "stream_error";

/** The client's side of an event stream: sends Server-Sent Events as fast as the client reads and no faster. */
export class SseWriter {
  readonly #res: ServerResponse;
  readonly #sent: (name: EventName) => void;
  #hasSentData = false;

  /** `sent` hears of each event that is sent. */
  constructor(res: ServerResponse, sent: (name: EventName) => void) {
    this.#res = res;
    this.#sent = sent;
  }

  /** Whether the headers are out. */
  get hasStarted(): boolean {
    return this.#res.headersSent;
  }

  /** Sends the headers now, before there is an event. */
  start(): void {
    if (this.hasStarted) return;
    for (const [name, value] of streamHeaders) this.#res.setHeader(name, value);
    this.#res.flushHeaders();
  }

  /**
   * Sends an event, after the headers; resolves when the client has room for the next one, or is gone. Nothing of `data`
   * is kept until then.
   */
  send(name: EventName, data: readonly Uint8Array[], id?: bigint): Promise<void> {
    if (this.#res.destroyed) return Promise.resolve();
    const frame = eventFrame({ name, data, id, retryMs: this.#hasSentData ? undefined : someRetryMs() });
    this.#hasSentData = true;
    this.#sent(name);
    const hasRoom = this.hasStarted ? this.#res.write(frame) : this.#startWith(frame);
    return hasRoom ? Promise.resolve() : room(this.#res);
  }

  /** Keeps an idle connection alive. A client that has not read what was sent before gets nothing more. */
  heartbeat(): void {
    const { headersSent, destroyed, writableNeedDrain } = this.#res;
    if (headersSent && !destroyed && !writableNeedDrain) this.#res.write(heartbeatFrame);
  }

  /** Says that nothing more will come. */
  end(): void {
    this.#res.end();
  }

  /** Says so before anything was sent: 204, which stops an EventSource. */
  endEmpty(): void {
    this.#res.writeHead(204).end();
  }

  /**
   * Destroys the connection: the client did not get everything, and resumes. The headers go out before, since a proxy
   * would answer for a connection that broke without any, and an EventSource does not come back after a 502.
   */
  abort(): void {
    if (!this.#res.destroyed) this.start();
    abortResponse(this.#res);
  }

  /** Sends a fatal error; resolves when it is on its way. The connection is the caller's to destroy. */
  fail(error: unknown): Promise<void> {
    return new Promise((resolve) => {
      if (this.#res.destroyed) return resolve();
      this.#res.once("close", resolve);
      const name: EventName = "stream_error";
      this.#sent(name);
      const data = [Buffer.from(singleLineJson(error))];
      this.#res.write(eventFrame({ name, data }), () => resolve());
    });
  }

  /** Sends headers and event in one packet. */
  #startWith(frame: Buffer): boolean {
    const { socket } = this.#res;
    socket?.cork();
    this.start();
    const hasRoom = this.#res.write(frame);
    socket?.uncork();
    return hasRoom;
  }
}

/** Resolves when a response that was full has room again, or is closed: a client that goes away never drains. */
function room(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    function settle() {
      res.off("drain", settle).off("close", settle);
      resolve();
    }
    res.on("drain", settle).on("close", settle);
  });
}
