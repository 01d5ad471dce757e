import type { IncomingMessage, ServerResponse } from "node:http";
import type { Attributes } from "@opentelemetry/api";
import {
  ATTR_CLIENT_ADDRESS,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_METHOD_ORIGINAL,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
  ATTR_USER_AGENT_ORIGINAL,
} from "@opentelemetry/semantic-conventions";
import { finalStatus } from "../http/final-status.ts";
import type { MatchedLocals, Middleware, TracedLocals } from "../http/stages.ts";
import { parentContextFrom } from "./trace-context.ts";
import { maxLength } from "./tracer.ts";
import type { Tracer } from "./tracer.ts";

/**
 * Gives each request its trace and a span that lasts until its answer is over
 * (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server). Of the request's target it tells the
 * path alone: a query may hold what its client had better not sent.
 */
export function serverSpans(tracer: Tracer): Middleware<MatchedLocals, TracedLocals> {
  return function serverSpan(req, res, next) {
    const parent = parentContextFrom(req.get("traceparent"), req.get("tracestate"));
    const method = knownMethods.has(req.method) ? req.method : undefined;
    const span = tracer.startServerSpan(method ?? "HTTP", parent, {
      [ATTR_HTTP_REQUEST_METHOD]: method ?? "_OTHER",
      [ATTR_HTTP_REQUEST_METHOD_ORIGINAL]: method === undefined ? req.method : undefined,
      [ATTR_URL_PATH]: own(req.path),
      [ATTR_URL_SCHEME]: "http",
      ...addressOf(req),
      [ATTR_CLIENT_ADDRESS]: req.socket.remoteAddress,
      [ATTR_NETWORK_PROTOCOL_VERSION]: req.httpVersion,
      [ATTR_USER_AGENT_ORIGINAL]: own(req.headers["user-agent"]),
    });
    res.locals.trace = span.trace;
    res.once("close", function endSpan() {
      const { route } = res.locals;
      const status = finalStatus(res);
      const attributes = { [ATTR_HTTP_ROUTE]: route, [ATTR_HTTP_RESPONSE_STATUS_CODE]: status };
      const name = route === undefined ? undefined : `${method ?? "HTTP"} ${route}`;
      span.end(attributes, errorTypeOf(res, status, res.locals.isAborted), name);
    });
    next();
  };
}

/** Those that the conventions know. */
const knownMethods: ReadonlySet<string> = new Set([
  "CONNECT",
  "DELETE",
  "GET",
  "HEAD",
  "OPTIONS",
  "PATCH",
  "POST",
  "PUT",
  "QUERY",
  "TRACE",
]);

/** The beginning of what a client wrote in a request's head, by itself: a part of a string keeps all of it in memory. */
function own(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text.slice(0, maxLength), "latin1").toString("latin1");
}

/** Whom the client wanted to speak to; nothing where its `Host` is none. */
function addressOf({ headers }: IncomingMessage): Attributes {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(headers.host ?? "") ?? [];
  return host === undefined
    ? {}
    : { [ATTR_SERVER_ADDRESS]: own(host.replace(/^\[|\]$/g, "")), [ATTR_SERVER_PORT]: Number(port ?? 80) };
}

/**
 * What failed: the status of a 5xx, else `broken_off` where the gateway broke its answer off, and `client_left` where
 * the client did not wait for the whole of it. Who leaves an event stream has had all that it wanted.
 */
function errorTypeOf(res: ServerResponse, status: number | undefined, isAborted = false): string | undefined {
  if (status !== undefined && status >= 500) return String(status);
  if (isAborted) return "broken_off";
  if (status === undefined) return "client_left";
  const isWhole = res.writableFinished || !res.headersSent || isEventStream(res);
  return isWhole ? undefined : "client_left";
}

function isEventStream(res: ServerResponse): boolean {
  return res.getHeader("Content-Type") === "text/event-stream";
}
