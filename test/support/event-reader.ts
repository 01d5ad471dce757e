import { createParser } from "eventsource-parser";
import type { EventSourceMessage } from "eventsource-parser";

/** A client of an event stream. */
export interface EventReader {
  /** The next event; rejects when the stream has ended. */
  next(): Promise<EventSourceMessage>;
  /** Resolves when the text received so far contains `part`. */
  received(part: string): Promise<void>;
  /** All text received so far. */
  readonly text: string;
  /** Every event received so far. */
  readonly events: readonly EventSourceMessage[];
  /** Every `retry:` received so far. */
  readonly retries: readonly number[];
  /** How the response ended: `broken` when the connection was destroyed. */
  readonly ended: Promise<"clean" | "broken">;
}

/** Reads the events of `response` as they arrive. */
export function readEvents(response: Response): EventReader {
  const events: EventSourceMessage[] = [];
  const retries: number[] = [];
  let text = "";
  let over = false;
  let taken = 0;
  let wake = Promise.withResolvers<undefined>();
  const parser = createParser({
    onEvent: (event) => events.push(event),
    onRetry: (ms) => retries.push(ms),
  });

  function notify() {
    wake.resolve(undefined);
    wake = Promise.withResolvers();
  }

  async function pump(): Promise<"clean" | "broken"> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        const part = decoder.decode(chunk as Uint8Array, { stream: true });
        text += part;
        parser.feed(part);
        notify();
      }
      return "clean";
    } catch {
      return "broken";
    } finally {
      over = true;
      notify();
    }
  }

  async function until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (over) throw new Error(`the stream is over; it said ${JSON.stringify(text)}`);
      await wake.promise;
    }
  }

  return {
    ended: pump(),
    events,
    retries,
    get text() {
      return text;
    },
    async next() {
      const event = await until(() => events[taken]);
      taken += 1;
      return event;
    },
    async received(part) {
      await until(() => text.includes(part) || undefined);
    },
  };
}
