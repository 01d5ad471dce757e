import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Work } from "./load.ts";

/**
 * Sends `rate` GETs per second at even intervals for `seconds`, whether or not earlier ones have their response, over
 * as many connections as that takes. Resolves to the latencies, in milliseconds from when a request was due, shortest
 * first; that of a request rejected with 503 is infinite. Rejects on any other status. All responses must be as long as
 * the first.
 *
 * Does little work, to leave the CPU to the measured processes, and allocates nothing for a request: its own pauses to
 * collect garbage would be in the latencies.
 */
export async function pacedLoad(
  url: string,
  work: Work,
  rate: number,
  seconds: number,
): Promise<Float64Array> {
  const { hostname, port } = new URL(url);
  const first = await fetch(url + work.path, { headers: { ...work.headers } });
  const responseBytes = (await first.arrayBuffer()).byteLength;
  const total = Math.round(rate * seconds);
  const latencies = new Float64Array(total);
  const all = Promise.withResolvers<undefined>();
  let received = 0;
  const idle: Client[] = [];
  const open: Client[] = [];

  const target: Target = {
    port: Number(port),
    host: hostname,
    request: Buffer.from(requestText(hostname, work)),
    statusLine: `HTTP/1.1 ${work.status} `,
    responseBytes,
    onResponse(client, latency) {
      latencies[received] = latency;
      received += 1;
      idle.push(client);
      if (received === total) all.resolve(undefined);
    },
    onLoss(client, line) {
      // The server ends a connection that idles for too long.
      if (idle.includes(client)) return void idle.splice(idle.indexOf(client), 1);
      if (!line.startsWith("HTTP/1.1 503 "))
        return all.reject(new Error(`a response was ${line}, not ${work.status}`));
      latencies[received] = Infinity;
      received += 1;
      if (received === total) all.resolve(undefined);
    },
  };

  const begin = performance.now();
  const send = async () => {
    for (let sent = 0; sent < total;) {
      const dueByNow = Math.min(total, ((performance.now() - begin) / 1000) * rate);
      for (; sent < dueByNow; sent += 1) {
        let client = idle.pop();
        if (client === undefined) open.push((client = new Client(target)));
        client.send(begin + (sent / rate) * 1000);
      }
      await delay(1);
    }
  };
  await Promise.all([send(), all.promise]);
  for (const client of open) client.close();
  return latencies.sort();
}

/** What the clients of one load share. */
interface Target {
  readonly port: number;
  readonly host: string;
  readonly request: Buffer;
  readonly statusLine: string;
  readonly responseBytes: number;
  /** A client has received a response, so many milliseconds after it was due. */
  readonly onResponse: (client: Client, latency: number) => void;
  /** A connection is closed; `line` is the first one of a response that was not expected. */
  readonly onLoss: (client: Client, line: string) => void;
}

/** A connection. */
class Client {
  readonly #target: Target;
  readonly #socket: Socket;
  #due = 0;
  #received = 0;
  #expected = 0;
  #unexpected = "missing";
  #isClosed = false;

  constructor(target: Target) {
    this.#target = target;
    // One buffer for all reads.
    this.#socket = connect({
      port: target.port,
      host: target.host,
      noDelay: true,
      onread: {
        buffer: Buffer.alloc(64 * 1024),
        callback: (length, buffer) => {
          this.#receive(buffer as Buffer, length);
          return true;
        },
      },
    });
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => {
      if (!this.#isClosed) target.onLoss(this, this.#unexpected);
    });
  }

  send(due: number): void {
    this.#due = due;
    this.#socket.write(this.#target.request);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #receive(bytes: Buffer, length: number): void {
    const { statusLine, responseBytes, onResponse } = this.#target;
    // The headers are part of the first chunk as a whole.
    if (this.#received === 0) {
      if (bytes.toString("latin1", 0, statusLine.length) !== statusLine) {
        this.#unexpected = bytes.toString("latin1", 0, 64).split("\r\n")[0] ?? "";
        this.#socket.destroy();
        return;
      }
      this.#expected = bytes.indexOf("\r\n\r\n") + 4 + responseBytes;
    }
    this.#received += length;
    if (this.#received < this.#expected) return;
    this.#received = 0;
    onResponse(this, performance.now() - this.#due);
  }
}

function requestText(host: string, { path, headers = {} }: Work): string {
  const lines = Object.entries({ Host: host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}
