import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, OnReadOpts, Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { TlsOptions } from "node:tls";
import { Connection } from "../../../src/grpc/http2/connection.ts";
import type { ConnectionListener, ConnectionOptions } from "../../../src/grpc/http2/client-connection.ts";
import { frameType } from "../../../src/grpc/http2/protocol.ts";
import { Stream } from "../../../src/grpc/http2/stream.ts";
import type { HeaderFields, StreamEnd, StreamRequest } from "../../../src/grpc/http2/stream.ts";
import { ReceivedFrames } from "./received-frames.ts";
import type { ReceivedFrame } from "./received-frames.ts";
import { ping, response, settings, settingsAck } from "./frames.ts";

/** A stream, and everything that its listener was called with. */
export interface Exchange {
  readonly stream: Stream;
  readonly headers: { readonly status: number; readonly fields: HeaderFields; readonly isEnd: boolean }[];
  readonly data: Buffer[];
  readonly trailers: HeaderFields[];
  /** How it ended; more than one element is a fault. */
  readonly ends: StreamEnd[];
  readonly end: Promise<StreamEnd>;
}

type ExchangeListener = Partial<Record<"onHeaders" | "onData" | "onTrailers" | "onClosed", () => void>>;

interface PeersOptions extends Partial<ConnectionOptions> {
  /** The last parameter of the connection. */
  readonly limits?: ConstructorParameters<typeof Connection>[2];
  /** What the server sends first: SETTINGS by default. */
  readonly first?: Buffer;
  /** Whether the server acknowledges SETTINGS; by default unless it sends nothing first. */
  readonly acknowledges?: boolean;
  readonly on?: Partial<ConnectionListener>;
  /** The server uses TLS with these options, and `connect` must be given. */
  readonly tls?: TlsOptions;
  /** Called with the port of the server before the client connects. */
  readonly onListening?: (port: number) => void;
}

/** A Connection over a loopback socket, and a server that sends any bytes and records the frames that it receives. */
export class ConnectionPeers implements AsyncDisposable {
  readonly connection: Connection;
  /** The calls of the connection's listener, in order. */
  readonly events: string[] = [];
  /** The server's socket. */
  readonly socket: Socket;
  /** Resolves when the client's socket is closed. */
  readonly whenClosed: Promise<unknown>;
  readonly #server: Server;
  readonly #reader: OnReadOpts;
  readonly #received: ReceivedFrames;
  #syncs = 0;

  private constructor(
    server: Server,
    socket: Socket,
    connection: Connection,
    reader: OnReadOpts,
    events: string[],
    whenClosed: Promise<unknown>,
    acknowledges: boolean,
  ) {
    this.#server = server;
    this.socket = socket;
    this.connection = connection;
    this.#reader = reader;
    this.events = events;
    this.whenClosed = whenClosed;
    socket.on("error", () => undefined);
    this.#received = new ReceivedFrames(socket, ({ type, flags }) => {
      if (acknowledges && type === frameType.settings && flags === 0) this.send(settingsAck);
    });
  }

  /** Connects. Resolves when the client has received the server's settings, unless `first` is given. */
  static async start(options: PeersOptions = {}): Promise<ConnectionPeers> {
    const {
      first,
      acknowledges = first?.length !== 0,
      on = {},
      tls,
      onListening,
      limits,
      ...given
    } = options;
    const server = tls === undefined ? createServer() : createTlsServer(tls);
    server.on("tlsClientError", () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    onListening?.(port);
    const events: string[] = [];
    const ready = Promise.withResolvers<undefined>();
    const closed = Promise.withResolvers<undefined>();
    const accepted = once(server, tls === undefined ? "connection" : "secureConnection") as Promise<[Socket]>;
    let reader: OnReadOpts | undefined;
    const connection = new Connection(
      {
        connect(onread) {
          reader = onread;
          return connect({ host: "127.0.0.1", port, onread, noDelay: true });
        },
        headers: { ":method": "POST", ":scheme": "http", ":authority": "server.test" },
        streamWindowBytes: 65_535,
        windowBytes: 1024 * 1024,
        maxHeaderListBytes: 32 * 1024,
        ...given,
      },
      {
        onSettings(maxStreams) {
          events.push(`settings ${maxStreams}`);
          on.onSettings?.(maxStreams);
          ready.resolve(undefined);
        },
        onResponse() {
          events.push("response");
          on.onResponse?.();
        },
        onStreamClosed(stream, end) {
          if (stream instanceof Stream) events.push(`stream ${stream.id} ${end.kind} ${end.code}`);
          on.onStreamClosed?.(stream, end);
        },
        onGoaway(code, debugData) {
          events.push(`goaway ${code} ${JSON.stringify(debugData)}`);
          return on.onGoaway?.(code, debugData) ?? code === 0;
        },
        onClosing(reason, isBroken) {
          events.push(isBroken ? `broken ${reason?.message}` : `closing ${reason?.message}`);
          on.onClosing?.(reason, isBroken);
        },
        onClosed() {
          events.push("closed");
          on.onClosed?.();
          closed.resolve(undefined);
        },
      },
      limits,
    );
    const [socket] = await accepted;
    const peers = new ConnectionPeers(
      server,
      socket,
      connection,
      reader!,
      events,
      closed.promise,
      acknowledges,
    );
    socket.setNoDelay(true).write(first ?? settings());
    if (first === undefined) await ready.promise;
    return peers;
  }

  /** Opens a stream, and calls `on` after the event was recorded. */
  open(request: Partial<StreamRequest> = {}, on: ExchangeListener = {}): Exchange {
    const { promise: end, resolve } = Promise.withResolvers<StreamEnd>();
    const received = { headers: [], data: [], trailers: [], ends: [] } as Omit<Exchange, "stream" | "end">;
    const stream = this.connection.open(
      {
        path: "/service/Method",
        headers: {},
        body: Buffer.from("request"),
        hasNoSideEffects: true,
        ...request,
      },
      {
        onHeaders(status, fields, isEnd) {
          received.headers.push({ status, fields, isEnd });
          on.onHeaders?.();
        },
        onData(chunk) {
          // It is valid during the call only.
          received.data.push(Buffer.from(chunk));
          on.onData?.();
        },
        onTrailers(fields) {
          received.trailers.push(fields);
          on.onTrailers?.();
        },
        onClosed(streamEnd) {
          received.ends.push(streamEnd);
          on.onClosed?.();
          resolve(streamEnd);
        },
      },
    );
    return { ...received, stream, end };
  }

  /** Opens streams, and resolves when the server has received all of their requests. */
  async openAll(count: number): Promise<Exchange[]> {
    const exchanges = Array.from({ length: count }, () => this.open());
    for (const { stream } of exchanges) await this.next(frameType.data, stream.id);
    return exchanges;
  }

  /** Sends bytes from the server. */
  send(...bytes: Buffer[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** Gives the client bytes as if its socket had read exactly these. */
  deliver(bytes: Buffer): void {
    const buffer = this.#reader.buffer as Buffer;
    bytes.copy(buffer);
    this.#reader.callback(bytes.length, buffer);
  }

  /** Every received frame. */
  get frames(): readonly ReceivedFrame[] {
    return this.#received.all;
  }

  /** The next frame of a type that no other call has returned. Rejects if there is none before the connection closes. */
  next(type: number, streamId?: number): Promise<ReceivedFrame> {
    return this.#received.next(type, streamId);
  }

  /** Forgets the received frames. */
  forget(): void {
    this.#received.forget();
  }

  /** The code of the client's GOAWAY. */
  async goawayCode(): Promise<number> {
    return (await this.next(frameType.goaway)).payload.readUInt32BE(4);
  }

  /** The code of the client's RST_STREAM. */
  async resetCode(streamId: number): Promise<number> {
    return (await this.next(frameType.rstStream, streamId)).payload.readUInt32BE(0);
  }

  /** Resolves when the client has read everything that was sent: it has acknowledged a ping. */
  async sync(): Promise<void> {
    this.#syncs += 1;
    const payload = Buffer.from(`sync${String(this.#syncs).padStart(4, "0")}`);
    this.send(ping(payload));
    while (!(await this.next(frameType.ping)).payload.equals(payload));
  }

  /** Responds to a stream, whose response must arrive. */
  async assertWorks(exchange: Exchange): Promise<void> {
    this.send(response(exchange.stream.id));
    const end = await exchange.end;
    assert.deepEqual(end, { kind: "ended", code: 0 });
    assert.equal(Buffer.concat(exchange.data).toString(), "body");
    assert.deepEqual({ ...exchange.trailers[0] }, { "grpc-status": "0" });
  }

  /** The connection must end with a GOAWAY of `code`, and the streams as broken. */
  async assertBroken(code: number, exchanges: readonly Exchange[]): Promise<void> {
    assert.equal(await this.goawayCode(), code);
    await this.whenClosed;
    for (const { ends } of exchanges) {
      const [end] = ends;
      assert.equal(ends.length, 1);
      assert.ok(end?.kind === "session-broken");
      assert.deepEqual([end.code, end.isOnlyStream], [code, exchanges.length === 1]);
    }
    assert.equal(this.connection.state, "closed");
    assert.equal(this.connection.size, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.close();
    await this.whenClosed;
    this.socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
