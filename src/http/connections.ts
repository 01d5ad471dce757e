import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import onHeaders from "on-headers";

/** A request and its answer. */
interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

interface Connection {
  current: Exchange | undefined;
  readonly waiting: Exchange[];
  /** What ends it once the requests that came whole are answered; undefined while it goes on. */
  finish: Finish | undefined;
}

/** Ends a connection. It is given the request that did not come whole, where there is one. */
type Finish = (broken: Exchange | undefined) => void;

/** Most requests that wait on one connection for the answer of the one before, and most bytes of their bodies. */
const maxWaiting = 16;
const maxWaitingBytes = 64 * 1024;

/**
 * The connections of clients. Each request is served when the one before it on its connection is answered: Node
 * would serve all that were sent ahead at once, those too that come after the connection's last answer or that
 * nobody waits for any more.
 */
export class Connections {
  readonly #serve: RequestListener;
  readonly #open = new Map<Socket, Connection>();
  #isLeaving = false;

  constructor(serve: RequestListener) {
    this.#serve = serve;
  }

  /** Takes up a connection that a client has opened. */
  add(socket: Socket): void {
    const connection: Connection = { current: undefined, waiting: [], finish: undefined };
    this.#open.set(socket, connection);
    socket.once("close", () => this.#open.delete(socket));
    const destroySoon = socket.destroySoon.bind(socket);
    // What Node calls once a connection's last answer is sent.
    socket.destroySoon = function closeAfterAnswer() {
      if (connection.current?.req.complete === false) lingeringClose(socket);
      else destroySoon();
    };
  }

  /** Serves a request, in its turn. */
  readonly serve = (req: IncomingMessage, res: ServerResponse): void => {
    const connection = this.#open.get(req.socket);
    // A connection that is being closed may still bring what was sent before.
    if (connection === undefined || !req.socket.writable) return;
    if (hasBody(req)) coalesceBody(req);
    if (connection.current === undefined) return this.#begin(connection, { req, res });
    const { waiting } = connection;
    const bytes = waiting.reduce((sum, { req }) => sum + req.readableLength, 0);
    waiting.push({ req, res });
    // A client that sends so much ahead may be cut (RFC 9112 §9.3.2), and what it sends is held in memory.
    if (waiting.length > maxWaiting || bytes > maxWaitingBytes) req.socket.destroy();
  };

  /**
   * Ends a connection on which nothing more can be read: calls `finish` as soon as all requests are answered that came
   * whole, which is never when one of their answers ends the connection. Only the first call counts.
   */
  finishAfterAnswers(socket: Socket, finish: Finish): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return finish(undefined);
    if (connection.finish !== undefined) return;
    connection.finish = finish;
    const { current } = connection;
    if (current === undefined) this.#next(connection);
    else if (!current.req.complete) finish(current);
  }

  /** The requests of a connection that are not answered yet; the first is being served. */
  unanswered(socket: Socket): readonly Exchange[] {
    const { current, waiting = [] } = this.#open.get(socket) ?? {};
    return current === undefined ? [] : [current, ...waiting];
  }

  get count(): number {
    return this.#open.size;
  }

  /** Those that are open. */
  get sockets(): Iterable<Socket> {
    return this.#open.keys();
  }

  /** Whether some of an answer that is complete waits for its client. */
  get hasUnsent(): boolean {
    return [...this.#open].some(
      ([socket, { current }]) => socket.writableLength > 0 && current?.res.writableEnded,
    );
  }

  /** Makes every answer from now on the last one of its connection. */
  leave(): void {
    this.#isLeaving = true;
    for (const { current } of this.#open.values()) if (current !== undefined) sayLast(current.res);
  }

  #begin(connection: Connection, exchange: Exchange): void {
    const { req, res } = exchange;
    const { socket } = req;
    connection.current = exchange;
    if (this.#isLeaving) sayLast(res);
    if (hasBody(req)) {
      onHeaders(res, function endUnread() {
        // The rest of a body that nobody reads would be taken for the next request.
        if (!req.complete) res.setHeader("Connection", "close");
      });
    }
    res.once("close", () => {
      connection.current = undefined;
      if (socket.writable) this.#next(connection);
    });
    this.#serve(req, res);
  }

  /** Begins the next request of a connection, or ends it where it is over. */
  #next(connection: Connection): void {
    const next = connection.waiting.shift();
    const isLast = next === undefined || !next.req.complete;
    if (connection.finish !== undefined && isLast) connection.finish(next);
    else if (next !== undefined) this.#begin(connection, next);
  }
}

function sayLast(res: ServerResponse): void {
  if (!res.headersSent) res.setHeader("Connection", "close");
}

/** Whether a request says that a body follows its head. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** How long a client may take to see its answer before its connection is destroyed, in milliseconds. */
const lingerMs = 1000;

/**
 * Closes a connection of which not everything was read, in two stages (RFC 9112 §9.6): a connection that is
 * destroyed at once resets the client, and one that is still sending may then never read its answer. Nothing more
 * is read meanwhile.
 */
export function lingeringClose(socket: Socket): void {
  socket.end();
  socket.pause();
  // Node reads on after an answer, to get at the next request.
  socket.on("resume", () => socket.pause());
  const linger = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(linger));
}

/** What is smaller than this waits for more of its body, and as much as waits at most; in bytes. */
const smallChunk = 1024;
const pageBytes = 16 * 1024;

const { push } = Readable.prototype;

/**
 * Makes the small chunks of a request's body into larger ones for whoever listens to its `data`. Node keeps some 450
 * bytes beside each chunk, and counts only what is in it: 64 KiB that wait in chunks of a byte would hold 29 MiB.
 * What waits here counts as well, so that no more of a body is read than somebody wants.
 */
export function coalesceBody(req: IncomingMessage): void {
  // The same function for all: most bodies are one chunk, and one of its own for each costs as much as reading them.
  req.push = pushFirst;
}

function pushFirst(this: IncomingMessage, chunk: Buffer | null): boolean {
  const isSmall = chunk !== null && chunk.length < smallChunk;
  if (!isSmall || chunk.length === Number(this.headers["content-length"])) return push.call(this, chunk);
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
    if (chunk === null || length + chunk.length > pageBytes) flush();
    if (chunk === null || (page === undefined && chunk.length >= smallChunk)) return push.call(req, chunk);
    const wanted = length + chunk.length;
    if (page === undefined) {
      page = chunk;
      // What came with the same read from the socket is there by then.
      setImmediate(() => req.readableFlowing === true && flush());
    } else {
      if (wanted > page.length) page = Buffer.concat([page], Math.min(2 * wanted, pageBytes));
      chunk.copy(page, length);
    }
    length = wanted;
    return req.readableLength + length < req.readableHighWaterMark;
  };
}
