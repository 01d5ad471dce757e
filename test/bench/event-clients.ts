/**
 * The clients of the streams' benchmark: many event streams of the gateway whose url it takes, each over a socket
 * of its own, in one process. Writes its `url` to stdout; a GET there responds when it is done:
 * `/open/N` opens N more streams and waits for their first event, `/received/K` waits until each has received K
 * events, `/close` closes all of them.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { workflow } from "./messages.ts";
import { listen } from "./listen.ts";

const [gateway = ""] = process.argv.slice(2);
const { hostname, port } = new URL(gateway);

/** How many streams are opened at a time, and how many API keys they use. */
const openers = 64;
const keys = 100;

/** One stream: its received events, and its socket. */
interface Client {
  readonly socket: Socket;
  events: number;
}

const clients = new Set<Client>();
let opened = 0;
/** The expected events of each client, the clients that have fewer, and the callback once none has fewer. */
let expected = Infinity;
let incomplete = 0;
let onAllReceived: () => void = () => undefined;

/** Resolves once every client has received `count` events. */
function waitForEvents(count: number): Promise<void> {
  expected = count;
  incomplete = [...clients].filter(({ events }) => events < count).length;
  if (incomplete === 0) return Promise.resolve();
  return new Promise((resolve) => (onAllReceived = resolve));
}

function countEvent(client: Client): void {
  client.events += 1;
  if (client.events !== expected) return;
  incomplete -= 1;
  if (incomplete === 0) onAllReceived();
}

const blankLine = Buffer.from("\n\n");

/** Opens a stream; resolves at its first event. A stream that ends by itself ends the process. */
function open(): Promise<void> {
  const token = `key-${opened++ % keys}`;
  const path = `/v1/workflows/${workflow.id}/events`;
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    const client: Client = { socket, events: 0 };
    clients.add(client);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    let endsInLineBreak = false;
    socket.on("data", (bytes) => {
      // Only the end of an event block is a blank line without carriage returns.
      if (endsInLineBreak && bytes[0] === blankLine[0]) countEvent(client);
      for (let at = bytes.indexOf(blankLine); at >= 0; at = bytes.indexOf(blankLine, at + 2))
        countEvent(client);
      endsInLineBreak = bytes.at(-1) === blankLine[0] && bytes.at(-2) !== blankLine[0];
      if (client.events > 0) resolve();
    });
    socket.on("error", (error) => process.stderr.write(`${error.message}\n`));
    socket.on("close", () => {
      if (clients.has(client)) process.exit(1);
    });
  });
}

async function openMany(count: number): Promise<void> {
  const last = opened + count;
  const opener = async () => {
    while (opened < last) await open();
  };
  await Promise.all(Array.from({ length: openers }, opener));
}

async function closeAll(): Promise<void> {
  const sockets = [...clients].map(({ socket }) => socket);
  clients.clear();
  await Promise.all(sockets.map((socket) => once(socket.destroy(), "close")));
}

const commands: Readonly<Record<string, (count: number) => Promise<void>>> = {
  open: openMany,
  received: waitForEvents,
  close: closeAll,
};

const server = createServer(function serve({ url = "" }, res) {
  const [, command = "", count] = url.split("/");
  // A kept-alive connection might be closed while the next command is sent.
  void commands[command]?.(Number(count)).then(() => res.writeHead(200, { Connection: "close" }).end());
});
listen(server);
