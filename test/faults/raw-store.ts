import { EventEmitter, once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** Answers one request on its connection, byte for byte. */
export type RawAnswer = (socket: Socket, requestHead: string) => void;

/** An object store that speaks no protocol but what the test writes. */
export interface RawStore {
  readonly url: string;
  /** The heads of all requests so far. */
  readonly requests: readonly string[];
  /** Connections that are open. */
  readonly connections: number;
  /** How it answers; tests may replace it at any time. */
  answer: RawAnswer;
  /** Resolves once no more than `most` connections are open. */
  hasAtMost(most: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts one that never answers. */
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
      // A GET has no body: its head is all of it.
      const heads = received.split("\r\n\r\n");
      received = heads.pop() ?? "";
      for (const head of heads) {
        requests.push(head);
        store.answer(socket, head);
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
    answer: () => undefined,
    async hasAtMost(most) {
      while (open.size > most) await once(closed, "one");
    },
    async close() {
      const over = once(listener, "close");
      listener.close();
      for (const socket of open) socket.destroy();
      await over;
    },
  };
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return store;
}

/** The head of an answer. */
export function head(status: string, headers: Record<string, string | number> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status}`, ...lines, "", ""].join("\r\n");
}

/** A whole answer with the length of its body. */
export function answerOf(
  status: string,
  body: string | Buffer,
  headers: Record<string, string | number> = {},
): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([Buffer.from(head(status, { "Content-Length": bytes.length, ...headers })), bytes]);
}

/** What the error texts of the store say; it is for nobody but the log. */
export const storeText = "secret-of-the-store";

/** An error as S3 tells it. */
export function s3Error(status: string, code: string, message = storeText): Buffer {
  const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return answerOf(status, xml, { "Content-Type": "application/xml" });
}

/** Settings that point a gateway at the store. */
export function rawStoreSettings({ url }: Pick<RawStore, "url">) {
  return {
    R2_ENDPOINT: url,
    R2_ACCESS_KEY_ID: "key-id-of-the-tests",
    R2_SECRET_ACCESS_KEY: "secret-key-of-the-tests",
  };
}

/** The setting of a gateway that takes a store for silent after 0.3 s. */
export const impatience = { OBJECT_STORE_READ_TIMEOUT_SECONDS: "0.6" };
