import { once } from "node:events";
import { createServer } from "node:http2";
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session } from "node:http2";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { HpackDecoder } from "../../../src/grpc/http2/hpack-decoder.ts";
import type { HeaderBlock } from "../../../src/grpc/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../../src/grpc/http2/hpack-encoder.ts";

type Fields = Readonly<Record<string, string>>;

/** What the server sends. Without trailers there is only one block. */
export interface SentResponse {
  readonly status: number;
  readonly headers: Fields;
  readonly trailers: Fields;
}

/** The fields of each request. */
export const fixedFields: Fields = {
  ":method": "POST",
  ":scheme": "http",
  ":authority": "server.test",
  "content-type": "application/grpc+proto",
  te: "trailers",
};

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const headersFrame = 1;
const resetFrame = 3;
const settingsFrame = 4;
const goawayFrame = 7;
const ack = 1;
const endStream = 1;
const endHeaders = 4;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** A node:http2 server, and a client that is no more than an HpackEncoder, an HpackDecoder and a socket. */
export class HpackPeers implements AsyncDisposable {
  readonly #encoder = new HpackEncoder(fixedFields);
  readonly #decoder = new HpackDecoder(2 ** 30);
  readonly #server: Http2Server;
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #stream = -1;
  #blocks: HeaderBlock[] = [];
  #response: SentResponse = { status: 200, headers: {}, trailers: {} };
  #request: IncomingHttpHeaders = {};
  #whenEnded = Promise.withResolvers<unknown>();

  private constructor(server: Http2Server, session: ServerHttp2Session, socket: Socket) {
    this.#server = server;
    this.#session = session;
    this.#socket = socket;
    session.on("error", (error) => this.#whenEnded.reject(error));
    session.on("stream", (stream, request) => {
      this.#request = request;
      const { status, headers, trailers } = this.#response;
      const hasTrailers = Object.keys(trailers).length > 0;
      stream.respond({ ...headers, ":status": status }, { waitForTrailers: hasTrailers });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      stream.end();
    });
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.on("close", () => this.#whenEnded.reject(new Error("the connection is closed")));
  }

  static async start(): Promise<HpackPeers> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.write(Buffer.concat([preface, frame(settingsFrame, 0, 0, Buffer.alloc(0))]));
    const [session] = (await once(server, "session")) as [ServerHttp2Session];
    return new HpackPeers(server, session, socket);
  }

  /** Changes the SETTINGS_HEADER_TABLE_SIZE of the server. */
  async setTableSize(size: number): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      this.#session.settings({ headerTableSize: size }, (error) =>
        error === null ? resolve() : reject(error),
      ),
    );
  }

  /** Makes a request. Returns what the server has decoded, and the decoded headers and trailers of its response. */
  async exchange(path: string, headers: Fields, response: SentResponse) {
    this.#response = response;
    this.#blocks = [];
    this.#whenEnded = Promise.withResolvers();
    const block = Buffer.alloc(this.#encoder.maxLength(path, headers));
    const end = this.#encoder.encode(block, 0, path, headers);
    this.#stream += 2;
    this.#socket.write(frame(headersFrame, endHeaders | endStream, this.#stream, block.subarray(0, end)));
    await this.#whenEnded.promise;
    return { request: this.#request, blocks: this.#blocks, blockLength: end };
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 9) {
      const end = 9 + this.#received.readUIntBE(0, 3);
      if (this.#received.length < end) return;
      const [type, flags] = this.#received.subarray(3, 5);
      this.#handle(type!, flags!, this.#received.subarray(9, end));
      this.#received = this.#received.subarray(end);
    }
  }

  #handle(type: number, flags: number, payload: Buffer): void {
    if (type === settingsFrame && flags !== ack) {
      for (let at = 0; at < payload.length; at += 6)
        if (payload.readUInt16BE(at) === 1) this.#encoder.setMaxTableSize(payload.readUInt32BE(at + 2));
      this.#socket.write(frame(settingsFrame, ack, 0, Buffer.alloc(0)));
      return;
    }
    if (type === headersFrame) this.#blocks.push(this.#decoder.decode(payload, 0, payload.length));
    if (type === resetFrame || type === goawayFrame)
      this.#whenEnded.reject(new Error(`the server has sent ${payload.toString("hex")}`));
    // Of DATA and HEADERS, the only other frames of a stream here.
    if (type <= headersFrame && (flags & endStream) !== 0) this.#whenEnded.resolve(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#whenEnded.promise.catch(() => undefined);
    this.#session.destroy();
    this.#socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
