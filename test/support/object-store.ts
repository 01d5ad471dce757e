import { once } from "node:events";
import { createServer, request } from "node:http";
import type { RequestListener, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";

/** An object store whose responses the test writes. */
export interface TestStore {
  readonly url: string;
  /** `GET /bucket/key` of every request so far. */
  readonly requests: readonly string[];
  /** Responds to a request; tests may replace it at any time. */
  respond: RequestListener;
  close(): Promise<void>;
}

/** Starts an empty store. */
export async function startTestStore(): Promise<TestStore> {
  const requests: string[] = [];
  const server = createServer((req, res) => {
    requests.push(`${req.method} ${new URL(req.url ?? "", "http://store").pathname}`);
    store.respond(req, res);
  });
  const store: TestStore = {
    get url() {
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    requests,
    respond: (_req, res) => sendS3Error(res, 404, "NoSuchKey"),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return store;
}

/** Settings that point a gateway at the store. */
export function storeSettings({ url }: TestStore) {
  return { R2_ENDPOINT: url, R2_ACCESS_KEY_ID: "any", R2_SECRET_ACCESS_KEY: "any" };
}

/** Responds with an error as S3 does. */
export function sendS3Error(res: ServerResponse, status: number, code: string): void {
  res.writeHead(status, { "Content-Type": "application/xml" });
  res.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>secret-of-the-store</Message></Error>`);
}

/** Serves `bytes` under every key, or the requested range of them. */
export function serveBytes(bytes: Buffer): RequestListener {
  return function serve(req, res) {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? "") ?? [];
    const isPart = start !== undefined;
    const part = isPart ? bytes.subarray(Number(start), Number(end) + 1) : bytes;
    res.writeHead(isPart ? 206 : 200, {
      "Content-Length": part.length,
      ...(isPart ? { "Content-Range": `bytes ${start}-${end}/${bytes.length}` } : {}),
    });
    res.end(part);
  };
}

/** Forwards a request unchanged to the server at `url`, with the `Host` that is signed, and its response back. */
export function forwardTo(url: string): RequestListener {
  const { hostname, port } = new URL(url);
  return function forward({ method, url: path, headers }, res) {
    const onward = request({ host: hostname, port, method, path, headers, agent: false }, (response) => {
      res.writeHead(response.statusCode ?? 500, response.headers);
      pipeline(response, res, () => undefined);
    });
    onward.on("error", () => res.destroy()).end();
    res.once("close", () => onward.destroy());
  };
}
