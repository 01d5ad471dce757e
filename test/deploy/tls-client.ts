import { once } from "node:events";
import { connect } from "node:http2";
import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { Readable } from "node:stream";

/** The versions of HTTP that a client can use over TLS. */
export const protocols = ["http/1.1", "h2"] as const;
export type Protocol = (typeof protocols)[number];

export interface SendOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Sends none of the body, and waits for the response. */
  readonly withholdsBody?: boolean;
}

const host = "127.0.0.1";
/** The name in the configurations of the proxies. */
const servername = "api.example.com";

/**
 * Sends a request over a connection of its own, over this version of HTTP. The body of the response fails if the response
 * is not complete.
 */
export function sendTls(
  protocol: Protocol,
  port: number,
  ca: string,
  path: string,
  options: SendOptions = {},
): Promise<Response> {
  return protocol === "h2" ? sendHttp2(port, ca, path, options) : sendHttp1(port, ca, path, options);
}

async function sendHttp1(
  port: number,
  ca: string,
  path: string,
  { body, withholdsBody = false, headers, method = "GET" }: SendOptions,
) {
  const req = request({
    host,
    servername,
    port,
    ca,
    path,
    method,
    agent: false,
    headers: { Host: servername, ...headers },
  });
  if (withholdsBody) req.flushHeaders();
  else req.end(body);
  const [message] = (await once(req, "response")) as [IncomingMessage];
  message.once("close", () => req.destroy());
  const stream = bodyOf(message, () => message.complete);
  return new Response(stream, { status: message.statusCode ?? 0, headers: headersOf(message.headers) });
}

async function sendHttp2(
  port: number,
  ca: string,
  path: string,
  { body, withholdsBody = false, headers, method = "GET" }: SendOptions,
) {
  const session = connect(`https://${host}:${port}`, { ca, servername });
  session.on("error", () => undefined);
  const request = session.request({ ":method": method, ":path": path, ":authority": servername, ...headers });
  request.on("error", () => undefined).once("close", () => session.close());
  if (withholdsBody) request.once("end", () => request.close());
  else request.end(body);
  const [{ ":status": status, ...received }] = (await once(request, "response")) as [Headers2];
  // A stream may be reset after its response, when the request is not complete.
  const length = Number(received["content-length"] ?? NaN);
  const stream = bodyOf(request, (bytes) => request.rstCode === 0 || bytes === length);
  return new Response(stream, { status: Number(status), headers: headersOf(received) });
}

type Headers2 = IncomingHttpHeaders & IncomingHttpStatusHeader;

function headersOf(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers))
    for (const one of [value].flat()) if (one !== undefined) result.append(name, one);
  return result;
}

/** The bytes of a response, which fail at their end unless `isComplete`. */
function bodyOf(source: Readable, isComplete: (bytes: number) => boolean): ReadableStream<Uint8Array> {
  let bytes = 0;
  let isCancelled = false;
  return new ReadableStream({
    start(controller) {
      source.on("error", () => undefined);
      source.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (!isCancelled) controller.enqueue(new Uint8Array(chunk));
      });
      source.once("close", () => {
        if (isCancelled) return;
        if (isComplete(bytes)) controller.close();
        else controller.error(new Error("the response is not complete"));
      });
    },
    cancel() {
      isCancelled = true;
      source.destroy();
    },
  });
}
