import { EventEmitter, once } from "node:events";
import { spansFrom } from "./otlp.ts";
import type { ReceivedSpan } from "./otlp.ts";

/** The spans that a collector has received. */
export interface ReceivedSpans {
  /** Every span so far, in the order of arrival. */
  readonly spans: readonly ReceivedSpan[];
  /** The first span that matches; resolves when it has arrived. */
  find(isWanted: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan>;
  /** The spans of one trace; resolves when `count` have arrived. */
  trace(traceId: string, count: number): Promise<readonly ReceivedSpan[]>;
}

/** Creates an empty list, and a function that adds the spans of an ExportTraceServiceRequest. */
export function createReceivedSpans(): { received: ReceivedSpans; add: (request: Uint8Array) => void } {
  const spans: ReceivedSpan[] = [];
  const added = new EventEmitter();

  async function until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await once(added, "spans");
    }
  }

  return {
    received: {
      spans,
      find: (isWanted) => until(() => spans.find(isWanted)),
      trace: (traceId, count) =>
        until(() => {
          const found = spans.filter((span) => span.traceId === traceId);
          return found.length < count ? undefined : found;
        }),
    },
    add(request) {
      spans.push(...spansFrom(request));
      added.emit("spans");
    },
  };
}
