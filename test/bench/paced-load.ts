import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Work } from "./load.ts";

/** A connection, and what the request that it carries waits for. */
interface Client {
  readonly socket: Socket;
  received: number;
  answered(): void;
}

/**
 * Sends `rate` GETs per second at even intervals for so many seconds, whether earlier ones are answered or not,
 * over as many connections as that takes. The latencies, in milliseconds from when a request was due, shortest
 * first. Rejects when a response is not the expected one. A client of so few steps leaves the machine to those
 * that are measured; all responses must be as long as the first.
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
    const client: Client = { socket, received: 0, answered: () => undefined };
    let wanted = 0;
    socket.on("data", (chunk) => {
      // The head is counted along with the first chunk, which holds all of it.
      if (client.received === 0) {
        if (!chunk.toString("latin1", 0, statusLine.length).startsWith(statusLine)) socket.destroy();
        wanted = chunk.indexOf("\r\n\r\n") + 4 + responseBytes;
      }
      client.received += chunk.length;
      if (client.received < wanted) return;
      client.received = 0;
      client.answered();
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
      const lost = () => reject(new Error(`a response was not ${work.status}, or did not come`));
      client.socket.once("close", lost);
      client.answered = () => {
        client.socket.off("close", lost);
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
