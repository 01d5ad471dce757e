import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { spansFrom } from "./otlp.ts";
import type { ReceivedSpan } from "./otlp.ts";

/** A collector of traces, by OTLP over HTTP. */
export interface Collector {
  readonly url: string;
  /** Every span so far, in the order of arrival. */
  readonly spans: readonly ReceivedSpan[];
  readonly requests: readonly IncomingMessage[];
  /** Responds to a request that was read; tests may replace it at any time. */
  respond: RequestListener;
  /** The first span that matches; resolves when it has arrived. */
  find(isWanted: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan>;
  /** The spans of one trace; resolves when `count` have arrived. */
  trace(traceId: string, count: number): Promise<readonly ReceivedSpan[]>;
  close(): Promise<void>;
}

/** Starts it on a free port. */
export async function startCollector(): Promise<Collector> {
  const spans: ReceivedSpan[] = [];
  const requests: IncomingMessage[] = [];
  const received = new EventEmitter();
  const server = createServer((req, res) => {
    void buffer(req).then((body) => {
      requests.push(req);
      spans.push(...spansFrom(req.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body));
      collector.respond(req, res);
      received.emit("spans");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  async function until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await once(received, "spans");
    }
  }

  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    respond: (_req, res) => res.writeHead(200, { "Content-Type": "application/x-protobuf" }).end(),
    find: (isWanted) => until(() => spans.find(isWanted)),
    trace: (traceId, count) =>
      until(() => {
        const found = spans.filter((span) => span.traceId === traceId);
        return found.length < count ? undefined : found;
      }),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return collector;
}
