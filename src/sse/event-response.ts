import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { eventFrame, heartbeatFrame } from "./frames.ts";

/** The client's side of an event stream. */
export interface EventResponse {
  /** Sends the headers now, before there is an event. */
  start(): void;
  /** Sends an event; resolves when the client has room for the next one, or is gone. */
  send(name: string, data: unknown, id?: bigint): Promise<void>;
  /** Keeps an idle connection alive. A client that has not read what was sent before gets nothing more. */
  beat(): void;
  /** Milliseconds since something was last sent. */
  idleMs(): number;
  /** Says that nothing more will come. */
  end(): void;
  /** Says so before anything was sent: 204, which stops an EventSource. */
  endEmpty(): void;
  /** Sends a fatal error; resolves when it is on its way. The connection is the caller's to destroy. */
  fail(error: unknown): Promise<void>;
}

/** The headers of an event stream; `no-transform` and `X-Accel-Buffering` keep proxies from holding events back. */
const streamHeaders = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store, no-transform",
  "X-Accel-Buffering": "no",
} as const;

/** Sends Server-Sent Events over `res`, as fast as the client reads and no faster. */
export function createEventResponse(res: ServerResponse): EventResponse {
  let hasSentData = false;
  let lastWriteAt = performance.now();

  function write(text: string): boolean {
    lastWriteAt = performance.now();
    return res.write(text);
  }

  return {
    start() {
      if (res.headersSent) return;
      for (const [name, value] of Object.entries(streamHeaders)) res.setHeader(name, value);
      res.flushHeaders();
    },
    async send(name, data, id) {
      if (res.destroyed) return;
      const frame = eventFrame({ name, data, id, withRetry: !hasSentData });
      hasSentData = true;
      if (write(frame)) return;
      const settled = new AbortController();
      // A client that goes away never drains.
      await Promise.race([
        once(res, "drain", { signal: settled.signal }),
        once(res, "close", { signal: settled.signal }),
      ]).finally(() => settled.abort());
    },
    beat() {
      if (res.headersSent && !res.destroyed && !res.writableNeedDrain) write(heartbeatFrame);
    },
    idleMs: () => performance.now() - lastWriteAt,
    end() {
      res.end();
    },
    endEmpty() {
      res.writeHead(204).end();
    },
    fail: (error) =>
      new Promise((resolve) => {
        if (res.destroyed) return resolve();
        res.once("close", resolve);
        // The name `error` would collide with EventSource's own event.
        res.write(eventFrame({ name: "stream_error", data: error }), () => resolve());
      }),
  };
}
