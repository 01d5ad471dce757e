import { request } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { startHttp } from "../demo/support.ts";
import type { Service } from "../demo/support.ts";

/** Responds to a request in place of the upstream; returns false to forward it. */
export type Intercept = (req: IncomingMessage, res: ServerResponse) => boolean;

/**
 * Forwards requests to `target` as some proxies do, such as Caddy 2.6, and HAProxy 2.6 to clients of HTTP/2: when the
 * upstream breaks a response without `Content-Length`, this one ends cleanly. Without a response it is 502.
 */
export function startHttpProxy(target: string, intercept: Intercept = () => false): Promise<Service> {
  return startHttp((req, res) => {
    if (intercept(req, res)) return;
    const { method, headers } = req;
    const upstream = request(`${target}${req.url}`, { method, headers, agent: false });
    upstream.once("response", (response) => {
      const { "transfer-encoding": transferEncoding, ...kept } = response.headers;
      delete kept.connection;
      res.writeHead(response.statusCode ?? 502, kept).flushHeaders();
      response.on("data", (chunk) => res.write(chunk));
      response.on("error", () => undefined);
      response.once("close", () => {
        if (response.complete || transferEncoding !== undefined) res.end();
        else res.destroy();
      });
    });
    upstream.on("error", () => {
      if (!res.headersSent) res.writeHead(502, { "Content-Type": "text/html" }).end("<h1>Bad Gateway</h1>");
    });
    res.once("close", () => upstream.destroy());
    req.pipe(upstream);
  });
}
