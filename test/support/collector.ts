import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { createReceivedSpans } from "./received-spans.ts";
import type { ReceivedSpans } from "./received-spans.ts";

/** A collector of traces, by OTLP over HTTP. */
export interface Collector extends ReceivedSpans {
  readonly url: string;
  readonly requests: readonly IncomingMessage[];
  /** Responds to a request that was read; tests may replace it at any time. */
  respond: RequestListener;
  close(): Promise<void>;
}

/** Starts it on a free port. */
export async function startCollector(): Promise<Collector> {
  const { received, add } = createReceivedSpans();
  const requests: IncomingMessage[] = [];
  const server = createServer((req, res) => {
    void buffer(req).then((body) => {
      requests.push(req);
      collector.respond(req, res);
      add(req.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const collector: Collector = {
    ...received,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    respond: (_req, res) => res.writeHead(200, { "Content-Type": "application/x-protobuf" }).end(),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return collector;
}
