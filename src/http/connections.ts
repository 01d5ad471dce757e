import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import onHeaders from "on-headers";
import { addBodyBytes } from "./body-bytes.ts";

/** A request whose response is not complete. */
interface PendingRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

interface Connection {
  current: PendingRequest | undefined;
  /** The requests after the current one, in order. */
  readonly pipelined: PendingRequest[];
  /** Called once the complete requests have their responses; undefined while more requests may follow. */
  close: CloseConnection | undefined;
}

/** Closes a connection. `incomplete` is its last request, if that did not arrive whole. */
type CloseConnection = (incomplete: PendingRequest | undefined) => void;

/** The maximum number of pipelined requests of one connection, and of the bytes of their bodies. */
const maxPipelined = 16;
const maxPipelinedBytes = 64 * 1024;

/**
 * The connections of clients. A pipelined request is served after the response before it is complete (RFC 9112 §9.3.2).
 * Node would serve all of them at once, including requests after the last response of a connection and requests of a
 * client that has disconnected.
 */
export class Connections {
  readonly #serve: RequestListener;
  readonly #open = new Map<Socket, Connection>();
  #isDraining = false;

  constructor(serve: RequestListener) {
    this.#serve = serve;
  }

  /** Adds a connection that a client has opened. */
  add(socket: Socket): void {
    const connection: Connection = { current: undefined, pipelined: [], close: undefined };
    this.#open.set(socket, connection);
    socket.on("close", () => this.#open.delete(socket));
    const destroySoon = socket.destroySoon.bind(socket);
    // Node calls it after the last response of a connection.
    socket.destroySoon = function closeAfterResponse() {
      if (connection.current?.req.complete === false) lingeringClose(socket);
      else destroySoon();
    };
  }

  /** Serves a request now, or after the pipelined requests before it. */
  readonly serve = (req: IncomingMessage, res: ServerResponse): void => {
    const connection = this.#open.get(req.socket);
    // A connection that is being closed may still deliver requests that were sent before.
    if (connection === undefined || !req.socket.writable) return;
    if (hasBody(req)) coalesceBody(req);
    if (connection.current === undefined) return this.#serveNow(connection, { req, res });
    const { pipelined } = connection;
    const bytes = pipelined.reduce((sum, { req }) => sum + req.readableLength, 0);
    pipelined.push({ req, res });
    // Pipelined requests are held in memory. A server may close the connection of a client that sends too many.
    if (pipelined.length > maxPipelined || bytes > maxPipelinedBytes) req.socket.destroy();
  };

  /**
   * Calls `close` for a connection on which nothing more can be read, as soon as its complete requests have their
   * responses; never if one of these closes the connection. Only the first call for a connection counts.
   */
  closeAfterResponses(socket: Socket, close: CloseConnection): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return close(undefined);
    if (connection.close !== undefined) return;
    connection.close = close;
    const { current } = connection;
    if (current === undefined) this.#serveNext(connection);
    else if (!current.req.complete) close(current);
  }

  /** The requests of a connection without a complete response; the first is being served. */
  pending(socket: Socket): readonly PendingRequest[] {
    const { current, pipelined = [] } = this.#open.get(socket) ?? {};
    return current === undefined ? [] : [current, ...pipelined];
  }

  get count(): number {
    return this.#open.size;
  }

  /** The sockets of the open connections. */
  get sockets(): Iterable<Socket> {
    return this.#open.keys();
  }

  /** Whether part of a complete response is not sent yet. */
  get hasUnsent(): boolean {
    return [...this.#open].some(
      ([socket, { current }]) => socket.writableLength > 0 && current?.res.writableEnded,
    );
  }

  /** From now on, every response closes its connection. */
  drain(): void {
    this.#isDraining = true;
    for (const { current } of this.#open.values()) if (current !== undefined) setConnectionClose(current.res);
  }

  #serveNow(connection: Connection, request: PendingRequest): void {
    const { req, res } = request;
    const { socket } = req;
    connection.current = request;
    if (this.#isDraining) setConnectionClose(res);
    if (hasBody(req)) {
      onHeaders(res, function closeUnread() {
        // The rest of a body that is not read would be taken for the next request.
        if (!req.complete) res.setHeader("Connection", "close");
      });
    }
    res.on("close", () => {
      connection.current = undefined;
      if (socket.writable) this.#serveNext(connection);
    });
    this.#serve(req, res);
  }

  /** Serves the next pipelined request, or closes a connection after its last complete one. */
  #serveNext(connection: Connection): void {
    const next = connection.pipelined.shift();
    const isLast = next === undefined || !next.req.complete;
    if (connection.close !== undefined && isLast) connection.close(next);
    else if (next !== undefined) this.#serveNow(connection, next);
  }
}

function setConnectionClose(res: ServerResponse): void {
  if (!res.headersSent) res.setHeader("Connection", "close");
}

/** Whether the headers of a request announce a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** How long a client may take to read the last response before its connection is destroyed, in milliseconds. */
const lingerMs = 1000;

/**
 * Closes a connection with unread data in two stages (RFC 9112 §9.6). Destroying it at once would reset the client,
 * which may then not read the response. Nothing more is read meanwhile.
 */
export function lingeringClose(socket: Socket): void {
  socket.end();
  socket.pause();
  // Node resumes reading after a response, for the next request.
  socket.on("resume", () => socket.pause());
  const linger = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(linger));
}

/** Chunks below `smallChunk` are copied into pages of at most `pageBytes`. */
const smallChunk = 1024;
const pageBytes = 16 * 1024;

const { push } = Readable.prototype;

/**
 * Counts the bytes of a request's body, and merges its small chunks before they reach its `data` listeners. Node keeps
 * some 450 bytes with each chunk and counts only its content: 64 KiB of 1-byte chunks would hold 29 MiB. Merged bytes
 * count for backpressure.
 */
export function coalesceBody(req: IncomingMessage): void {
  // One shared function: most bodies are a single chunk, and a closure for each costs as much as reading it.
  req.push = pushFirst;
}

function pushFirst(this: IncomingMessage, chunk: Buffer | null): boolean {
  const isSmall = chunk !== null && chunk.length < smallChunk;
  if (!isSmall || chunk.length === Number(this.headers["content-length"])) {
    if (chunk !== null) addBodyBytes(this, chunk.length);
    return push.call(this, chunk);
  }
  this.push = createPush(this);
  return this.push(chunk);
}

function createPush(req: IncomingMessage): (chunk: Buffer | null) => boolean {
  let page: Buffer | undefined;
  let length = 0;

  function flush(): void {
    if (page === undefined) return;
    const bytes = page.subarray(0, length);
    page = undefined;
    length = 0;
    push.call(req, bytes);
  }

  req.on("resume", flush);

  return function pushCoalesced(chunk) {
    if (chunk !== null) addBodyBytes(req, chunk.length);
    if (chunk === null || length + chunk.length > pageBytes) flush();
    if (chunk === null || (page === undefined && chunk.length >= smallChunk)) return push.call(req, chunk);
    const needed = length + chunk.length;
    if (page === undefined) {
      page = chunk;
      // By then, all chunks of the same read from the socket are here.
      setImmediate(() => req.readableFlowing === true && flush());
    } else {
      if (needed > page.length) page = Buffer.concat([page], Math.min(2 * needed, pageBytes));
      chunk.copy(page, length);
    }
    length = needed;
    return req.readableLength + length < req.readableHighWaterMark;
  };
}
