import { connect, constants } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, Settings } from "node:http2";
import type { Socket } from "node:net";
import type {
  ClientConnection,
  ConnectionListener,
  ConnectionOptions,
  ConnectionState,
  HeaderFields,
  RequestStream,
  StreamEnd,
  StreamListener,
  StreamRequest,
} from "./http2/index.ts";

/**
 * Node's memory limit of a session, in megabytes: practically none. Node also counts what waits to be sent, and resets
 * every response while the limit is exceeded. The gateway bounds what is sent and received elsewhere.
 */
const maxSessionMemory = 1e6;

/**
 * A connection of node:http2, for `ORCHESTRATOR_NODE_HTTP2`. It has the limits of Node: headers over 64 KiB break the
 * connection, and it costs several times as much.
 */
export class NodeConnection implements ClientConnection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #streams = new Set<NodeStream>();
  /** The streams that wait for the server's settings; undefined once those are received. */
  #waiting: Set<NodeStream> | undefined = new Set();
  /** Whether streams may finish although the server sent GOAWAY with an error. */
  #mayFinish = false;
  #isClosing = false;
  /** Whether the server violated HTTP/2, and whether the connection had one stream then. */
  #isBroken = false;
  #hadOnlyStream = false;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    const { headers, streamWindowBytes, windowBytes, maxHeaderListBytes } = options;
    this.#socket = options.connect();
    // Runs before the same events reach Node's session, which then ends its streams.
    this.#socket
      .once("error", (error) => this.#startClosing(error))
      .once("close", () => this.#startClosing(undefined));
    this.#session = connect(`${headers[":scheme"]}://${headers[":authority"]}`, {
      createConnection: () => this.#socket,
      settings: {
        enablePush: false,
        maxHeaderListSize: maxHeaderListBytes,
        initialWindowSize: streamWindowBytes,
      },
      maxSessionMemory,
      // Streams wait until the server's limit is known, so that the server refuses none.
      peerMaxConcurrentStreams: 0,
    });
    this.#handleDestroy();
    this.#session
      .once("connect", () => this.#session.setLocalWindowSize(windowBytes))
      .on("remoteSettings", (settings: Settings) => this.#receiveSettings(settings))
      .on("goaway", (code: number, _lastStreamId: number, debugData: Uint8Array = new Uint8Array()) => {
        this.#mayFinish = listener.onGoaway(code, Buffer.from(debugData).toString("latin1"));
      })
      // Each stream reports the error.
      .on("error", () => undefined);
    this.#socket.once("close", () => listener.onClosed());
  }

  /** Derived from Node's session, since Node closes and destroys sessions on its own. */
  get state(): ConnectionState {
    // Node destroys the session a little later than its socket.
    if (this.#session.destroyed || this.#socket.destroyed) return "closed";
    if (this.#session.closed) return "draining";
    return this.#waiting === undefined ? "ready" : "connecting";
  }

  get bytesReceived(): number {
    return this.#socket.bytesRead;
  }

  get size(): number {
    return this.#streams.size;
  }

  get sentStreams(): readonly RequestStream[] {
    return [...this.#streams].filter((stream) => this.#waiting?.has(stream) !== true);
  }

  open({ path, headers, body, hasNoSideEffects }: StreamRequest, listener: StreamListener): RequestStream {
    const node = this.#session.request({ ...this.#options.headers, ":path": path, ...headers });
    const stream = new NodeStream(node, body, hasNoSideEffects, listener, {
      onResponse: () => this.#listener.onResponse(),
      endOfSession: (code, cause) => this.#endOfSession(code, cause),
      onClosed: (end) => {
        this.#streams.delete(stream);
        this.#waiting?.delete(stream);
        this.#listener.onStreamClosed(stream, end);
      },
    });
    this.#streams.add(stream);
    this.#waiting?.add(stream);
    return stream;
  }

  ping(onAcknowledged: () => void): void {
    // Node sends no pings after GOAWAY.
    if (this.state === "draining") return this.sendSettings(onAcknowledged);
    void this.#session.ping((error) => {
      if (error === null) onAcknowledged();
    });
  }

  sendSettings(onAcknowledged: () => void): void {
    this.#session.settings({}, (error) => {
      if (error === null) onAcknowledged();
    });
  }

  endWaiting(cause: Error | undefined): void {
    for (const stream of [...(this.#waiting ?? [])]) stream.end("not-sent", cause);
  }

  drain(): void {
    this.#session.close();
  }

  close(reason?: Error): void {
    this.#session.destroy(reason);
    // Node's session waits until everything is sent, but the server may not read.
    this.#socket.destroy();
  }

  #receiveSettings({ maxConcurrentStreams = Infinity }: Settings): void {
    const waiting = [...(this.#waiting ?? [])];
    this.#waiting = undefined;
    this.#listener.onSettings(maxConcurrentStreams);
    for (const stream of waiting.slice(maxConcurrentStreams))
      stream.end("not-sent", new Error("the server allows fewer concurrent streams"));
  }

  /**
   * Replaces `destroy` of Node's session. Node 24 calls it when it receives GOAWAY with an error code (`onGoawayData`) or
   * bytes that violate HTTP/2 (`onSessionInternalError`), and has no other hook to keep or to mark the streams. See
   * https://github.com/nodejs/node/blob/v24.x/lib/internal/http2/core.js
   */
  #handleDestroy(): void {
    const session = this.#session;
    const destroy = session.destroy.bind(session);
    session.destroy = (error, code) => {
      // Node would also end the streams that the server still serves (RFC 9113 §6.8).
      if (this.#mayFinish && hasCode(error, "ERR_HTTP2_SESSION_ERROR")) return session.close();
      this.#isBroken = hasCode(error, "ERR_HTTP2_ERROR");
      this.#startClosing(error);
      destroy(error, code);
      // Node would wait for the server to close the socket too.
      setImmediate(() => this.#socket.destroy());
    };
  }

  #startClosing(reason: Error | undefined): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#hadOnlyStream = this.size === 1;
    this.#listener.onClosing(reason, this.#isBroken);
  }

  #endOfSession(code: number, cause: Error | undefined): StreamEnd | undefined {
    if (!this.#isClosing) return undefined;
    if (!this.#isBroken) return { kind: "session-lost", code, cause };
    return { kind: "session-broken", code, cause, isOnlyStream: this.#hadOnlyStream };
  }
}

/** The connection of a stream. */
interface StreamOwner {
  readonly onResponse: () => void;
  /** Called before the stream's listener, which may open another stream. */
  readonly onClosed: (end: StreamEnd) => void;
  /** How streams end with the session; undefined while it is open. */
  readonly endOfSession: (code: number, cause: Error | undefined) => StreamEnd | undefined;
}

/** A request stream of node:http2. */
class NodeStream implements RequestStream {
  readonly hasNoSideEffects: boolean;
  hasResponse = false;
  readonly #stream: ClientHttp2Stream;
  readonly #owner: StreamOwner;
  // Undefined after the end: Node keeps a closed stream for a while, which must not keep the response in memory.
  #listener: StreamListener | undefined;
  #error: Error | undefined;
  /** The end by this side. */
  #end: StreamEnd | undefined;

  constructor(
    stream: ClientHttp2Stream,
    body: Uint8Array,
    hasNoSideEffects: boolean,
    listener: StreamListener,
    owner: StreamOwner,
  ) {
    this.#stream = stream;
    this.hasNoSideEffects = hasNoSideEffects;
    this.#listener = listener;
    this.#owner = owner;
    stream.on("response", ({ [":status"]: status = 0, ...headers }, flags) => {
      this.hasResponse = true;
      owner.onResponse();
      this.#receive(status, headers, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    });
    stream.on("trailers", (trailers: IncomingHttpHeaders) => this.#listener?.onTrailers(fieldsOf(trailers)));
    stream.on("error", (error: Error) => (this.#error = error));
    stream.on("close", () => {
      const end = this.#endOnClose();
      owner.onClosed(end);
      this.#report(end);
    });
    stream.end(body);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cancel(): void {
    this.#listener = undefined;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  end(kind: "not-sent" | "session-lost", cause: Error | undefined): void {
    this.#end = { kind, code: constants.NGHTTP2_CANCEL, cause };
    this.#stream.destroy(cause);
  }

  #receive(status: number, headers: IncomingHttpHeaders, isEndOfStream: boolean): void {
    this.#listener?.onHeaders(status, fieldsOf(headers), isEndOfStream);
    if (this.#listener === undefined) return;
    this.#stream.on("data", (bytes: Buffer) => this.#listener?.onData(bytes));
    this.#stream.on("end", () => {
      if (this.#listener === undefined) return;
      // A server may respond before it has read the whole request. The rest of the request is not sent.
      if (!this.#stream.writableFinished) this.#stream.close(constants.NGHTTP2_CANCEL);
      // The code is CANCEL if the server reset the stream with it: Node emits "end" then too.
      this.#report({ kind: "ended", code: this.#stream.rstCode });
    });
  }

  #report(end: StreamEnd): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onClosed(end);
  }

  #endOnClose(): StreamEnd {
    if (this.#end !== undefined) return this.#end;
    const code = this.#stream.rstCode;
    const error = this.#error;
    const cause = error?.cause instanceof Error ? error.cause : error;
    if (!this.hasResponse && code === constants.NGHTTP2_REFUSED_STREAM)
      return { kind: "refused", code, cause };
    return this.#owner.endOfSession(code, cause) ?? { kind: "reset", code, cause };
  }
}

/** Node joins values of equal names, and has a list only for `set-cookie`, which gRPC does not use. */
function fieldsOf(headers: IncomingHttpHeaders): HeaderFields {
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) fields[name] = String(value);
  return fields;
}

/** Whether an error has this code of Node. */
function hasCode(error: unknown, code: string): error is Error {
  return error instanceof Error && "code" in error && error.code === code;
}
