import { EventEmitter, once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** Writes the response to one request on its connection, byte for byte. */
export type RawResponder = (socket: Socket, requestHead: string) => void;

/** An object store whose responses are bytes that the test writes. */
export interface RawStore {
  readonly url: string;
  /** The request line and headers of each request so far. */
  readonly requests: readonly string[];
  /** The number of open connections. */
  readonly connections: number;
  /** Writes the responses; tests may replace it at any time. */
  respond: RawResponder;
  /** Resolves when at most `most` connections are open. */
  connectionsAtMost(most: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a store that never responds. */
export async function startRawStore(): Promise<RawStore> {
  const requests: string[] = [];
  const open = new Set<Socket>();
  const closed = new EventEmitter();
  const listener = createServer(function serve(socket) {
    let received = "";
    open.add(socket);
    socket
      .on("error", () => undefined)
      .once("close", () => {
        open.delete(socket);
        closed.emit("one");
      });
    socket.setEncoding("latin1").on("data", (text: string) => {
      received += text;
      // A GET has no body.
      const requestHeads = received.split("\r\n\r\n");
      received = requestHeads.pop() ?? "";
      for (const requestHead of requestHeads) {
        requests.push(requestHead);
        store.respond(socket, requestHead);
      }
    });
  });
  const store: RawStore = {
    get url() {
      return `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    },
    requests,
    get connections() {
      return open.size;
    },
    respond: () => undefined,
    async connectionsAtMost(most) {
      while (open.size > most) await once(closed, "one");
    },
    async close() {
      const listenerClosed = once(listener, "close");
      listener.close();
      for (const socket of open) socket.destroy();
      await listenerClosed;
    },
  };
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return store;
}

/** The status line and headers of a response. */
export function headersOf(status: string, headers: Record<string, string | number> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status}`, ...lines, "", ""].join("\r\n");
}

/** A complete response with the length of its body. */
export function responseOf(
  status: string,
  body: string | Buffer,
  headers: Record<string, string | number> = {},
): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([
    Buffer.from(headersOf(status, { "Content-Length": bytes.length, ...headers })),
    bytes,
  ]);
}

/** The text of the store's errors, which only the log may contain. */
export const storeText = "secret-of-the-store";

/** An error response of S3. */
export function s3Error(status: string, code: string, message = storeText): Buffer {
  const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return responseOf(status, xml, { "Content-Type": "application/xml" });
}

/** Settings that point a gateway at the store. */
export function rawStoreSettings({ url }: Pick<RawStore, "url">) {
  return {
    R2_ENDPOINT: url,
    R2_ACCESS_KEY_ID: "key-id-of-the-tests",
    R2_SECRET_ACCESS_KEY: "secret-key-of-the-tests",
  };
}

/** The setting of a gateway whose idle timeout for the store is a second. */
export const shortReadTimeout = { OBJECT_STORE_READ_TIMEOUT_SECONDS: "1" };
