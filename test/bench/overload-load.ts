import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Work } from "./load.ts";

/** The result of requests that were sent at a fixed rate. */
export interface Flood {
  /** Requests sent per second, and the longest delay of one, in milliseconds. */
  readonly rate: number;
  readonly maxDelayMs: number;
  /** Expected responses per second while requests were sent. */
  readonly servedPerSecond: number;
  /** Latencies in milliseconds, from when a request was due, shortest first: of expected responses, and of 503. */
  readonly served: readonly number[];
  readonly rejected: readonly number[];
}

/** Clients of a server that keep their connections, as a load balancer does. */
export interface Clients {
  /** Sends the next request on each of `count` connections after each response; resolves to responses per second. */
  saturate(count: number, seconds: number): Promise<number>;
  /** Sends `rate` requests per second, evenly, whether or not earlier ones have their response. */
  flood(rate: number, seconds: number): Promise<Flood>;
  close(): void;
}

interface Connection {
  readonly socket: Socket;
  /** When its request was due, on the clock of `performance`. */
  due: number;
  /** Received and expected bytes of its response. */
  received: number;
  expected: number;
  isServed: boolean;
}

/**
 * Opens the connections one after another and sends GETs over them. Does little work, to leave the CPU to the measured
 * processes. A request waits until a connection is idle. A rejection comes in one chunk; all expected responses are as
 * long as the first. A broken connection, and any other response, ends the process.
 */
export async function openClients(url: string, work: Work, connections: number): Promise<Clients> {
  const { hostname, port } = new URL(url);
  const lines = Object.entries({ Host: hostname, ...work.headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const request = Buffer.from(`GET ${work.path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  const first = await fetch(url + work.path, { headers: { ...work.headers } });
  const responseBytes = (await first.arrayBuffer()).byteLength;

  const idle: Connection[] = [];
  const all: Connection[] = [];
  /** Due times of the requests that wait for an idle connection. */
  const queue: number[] = [];
  let served: number[] = [];
  let rejected: number[] = [];
  let pending = 0;
  /** Whether a response is followed by the next request at once. */
  let isSaturating = false;
  let isClosed = false;

  function send(connection: Connection, due: number): void {
    connection.due = due;
    connection.received = 0;
    connection.socket.write(request);
  }

  function receive(connection: Connection, chunk: Buffer): void {
    if (connection.received === 0) {
      const status = chunk.toString("latin1", 9, 12);
      const headerBytes = chunk.indexOf("\r\n\r\n") + 4;
      connection.isServed = status === String(work.status);
      connection.expected = connection.isServed ? headerBytes + responseBytes : chunk.length;
      if (!connection.isServed && status !== "503") throw new Error(`a response was ${status}`);
    }
    connection.received += chunk.length;
    if (connection.received < connection.expected) return;
    (connection.isServed ? served : rejected).push(performance.now() - connection.due);
    pending -= 1;
    next(connection);
  }

  function next(connection: Connection): void {
    const due = isSaturating ? performance.now() : queue.shift();
    if (due === undefined) idle.push(connection);
    else send(connection, due);
    if (isSaturating) pending += 1;
  }

  async function open(): Promise<void> {
    const socket = connect(Number(port), hostname);
    const connection = { socket, due: 0, received: 0, expected: 0, isServed: false };
    socket.on("close", () => {
      if (!isClosed) throw new Error("a connection broke");
    });
    // The server closes a connection without a request.
    socket.setNoDelay(true).write(`GET /v1/healthz HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
    await once(socket, "data");
    socket.on("data", (chunk) => receive(connection, chunk));
    all.push(connection);
    idle.push(connection);
  }

  function begin(): number {
    served = [];
    rejected = [];
    return performance.now();
  }

  async function allResponses(): Promise<void> {
    while (pending > 0) await delay(5);
  }

  for (let i = 0; i < connections; i += 1) await open();
  return {
    async saturate(count, seconds) {
      const start = begin();
      isSaturating = true;
      for (const connection of idle.splice(-count)) next(connection);
      await delay(seconds * 1000);
      while (served.length === 0) await delay(5);
      const perSecond = (served.length / (performance.now() - start)) * 1000;
      isSaturating = false;
      await allResponses();
      return perSecond;
    },
    async flood(rate, seconds) {
      const start = begin();
      const dueOf = (n: number) => start + (n / rate) * 1000;
      const total = Math.round(rate * seconds);
      let maxDelayMs = 0;
      for (let n = 0; n < total; await delay(1)) {
        maxDelayMs = Math.max(maxDelayMs, performance.now() - dueOf(n));
        for (const now = performance.now(); n < total && dueOf(n) <= now; n += 1) {
          const connection = idle.pop();
          if (connection === undefined) queue.push(dueOf(n));
          else send(connection, dueOf(n));
          pending += 1;
        }
      }
      const elapsed = (performance.now() - start) / 1000;
      const servedPerSecond = served.length / elapsed;
      await allResponses();
      const ascending = (a: number, b: number) => a - b;
      served.sort(ascending);
      rejected.sort(ascending);
      return { rate: total / elapsed, maxDelayMs, servedPerSecond, served, rejected };
    },
    close() {
      isClosed = true;
      for (const { socket } of all) socket.destroy();
    },
  };
}
