import type { IncomingMessage } from "node:http";
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
import type { TraceContext } from "./trace-context.ts";
import { maxLength } from "./tracer.ts";
import type { Tracer } from "./tracer.ts";

/** How a request ended. */
interface RequestEnd {
  /** The path template; undefined if no route matched. */
  readonly route: string | undefined;
  /** Undefined if the client disconnected before the response. */
  readonly status: number | undefined;
  /** Undefined if the gateway and the client completed the request. */
  readonly errorType: string | undefined;
}

/** Who has sent a request, and by which scheme. */
interface RequestClient {
  readonly address: string | undefined;
  readonly scheme: "http" | "https";
}

/** Starts the span of a request; `path` is without the query, `parent` is the client's span. The caller ends it once. */
export type StartRequestSpan = (
  req: IncomingMessage & { readonly method: string; readonly path: string },
  parent: TraceContext | undefined,
  client: RequestClient,
) => {
  readonly trace: TraceContext;
  end(end: RequestEnd): void;
};

/**
 * Creates the spans of requests (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server). They do not
 * have the query, which may hold secrets.
 */
export function requestSpans(tracer: Tracer): StartRequestSpan {
  return function startRequestSpan(req, parent, { address, scheme }) {
    const method = knownMethods.has(req.method) ? req.method : undefined;
    const span = tracer.startServerSpan(method ?? "HTTP", parent, {
      [ATTR_HTTP_REQUEST_METHOD]: method ?? "_OTHER",
      [ATTR_HTTP_REQUEST_METHOD_ORIGINAL]: method === undefined ? req.method : undefined,
      [ATTR_URL_PATH]: copyOf(req.path),
      [ATTR_URL_SCHEME]: scheme,
      ...serverAddressIn(req.headers.host, scheme),
      [ATTR_CLIENT_ADDRESS]: address,
      [ATTR_NETWORK_PROTOCOL_VERSION]: req.httpVersion,
      [ATTR_USER_AGENT_ORIGINAL]: copyOf(req.headers["user-agent"]),
    });
    return {
      trace: span.trace,
      end({ route, status, errorType }) {
        const name = route === undefined ? undefined : `${method ?? "HTTP"} ${route}`;
        span.end({ [ATTR_HTTP_ROUTE]: route, [ATTR_HTTP_RESPONSE_STATUS_CODE]: status }, errorType, name);
      },
    };
  };
}

/** The methods of the semantic conventions. */
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

/** A copy of the first characters of a header or path. A slice would keep the whole header block in memory. */
function copyOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text.slice(0, maxLength), "latin1").toString("latin1");
}

/** The server's address in a `Host` header; none if it is not valid. Without a port it is the scheme's default. */
function serverAddressIn(header = "", scheme: "http" | "https"): Attributes {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(header) ?? [];
  return host === undefined
    ? {}
    : {
        [ATTR_SERVER_ADDRESS]: copyOf(host.replace(/^\[|\]$/g, "")),
        [ATTR_SERVER_PORT]: Number(port ?? (scheme === "https" ? 443 : 80)),
      };
}
