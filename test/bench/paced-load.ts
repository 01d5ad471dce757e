import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Work } from "./load.ts";

/** A connection, and the callback of its request. */
interface Client {
  readonly socket: Socket;
  received: number;
  /** The first line of a response that was not expected. */
  unexpected?: string;
  onResponse(): void;
}

/**
 * Sends `rate` GETs per second at even intervals for `seconds`, whether or not earlier ones have their response, over
 * as many connections as that takes. Resolves to the latencies, in milliseconds from when a request was due, shortest
 * first; that of a request rejected with 503 is infinite. Rejects on any other status. Does little work, to leave the
 * CPU to the measured processes; all responses must be as long as the first.
 */
export async function pacedLoad(url: string, work: Work, rate: number, seconds: number): Promise<number[]> {
  const { hostname, port } = new URL(url);
  const request = requestText(hostname, work);
  const first = await fetch(url + work.path, { headers: { ...work.headers } });
  const responseBytes = (await first.arrayBuffer()).byteLength;
  const statusLine = `HTTP/1.1 ${work.status} `;
  const idle: Client[] = [];
  const open: Client[] = [];

  function openClient(): Client {
    const socket = connect(Number(port), hostname);
    const client: Client = { socket, received: 0, onResponse: () => undefined };
    let expected = 0;
    socket.on("data", (chunk) => {
      // The headers are part of the first chunk as a whole.
      if (client.received === 0) {
        const [line = ""] = chunk.toString("latin1", 0, 64).split("\r\n");
        if (!line.startsWith(statusLine)) {
          client.unexpected = line;
          socket.destroy();
        }
        expected = chunk.indexOf("\r\n\r\n") + 4 + responseBytes;
      }
      client.received += chunk.length;
      if (client.received < expected) return;
      client.received = 0;
      client.onResponse();
    });
    socket.on("error", () => undefined);
    // The server ends a connection that idles for too long.
    socket.on("close", () => {
      if (idle.includes(client)) idle.splice(idle.indexOf(client), 1);
    });
    open.push(client);
    return client;
  }

  function send(due: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const client = idle.pop() ?? openClient();
      const onClose = () => {
        const { unexpected = "missing" } = client;
        if (unexpected.startsWith("HTTP/1.1 503 ")) resolve(Infinity);
        else reject(new Error(`a response was ${unexpected}, not ${work.status}`));
      };
      client.socket.once("close", onClose);
      client.onResponse = () => {
        client.socket.off("close", onClose);
        idle.push(client);
        resolve(performance.now() - due);
      };
      client.socket.write(request);
    });
  }

  const total = Math.round(rate * seconds);
  const responses: Promise<number>[] = [];
  const begin = performance.now();
  while (responses.length < total) {
    const dueByNow = Math.min(total, ((performance.now() - begin) / 1000) * rate);
    while (responses.length < dueByNow) responses.push(send(begin + (responses.length / rate) * 1000));
    await delay(1);
  }
  const latencies = await Promise.all(responses);
  for (const { socket } of open) socket.destroy();
  return latencies.sort((a, b) => a - b);
}

function requestText(host: string, { path, headers = {} }: Work): string {
  const lines = Object.entries({ Host: host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}
