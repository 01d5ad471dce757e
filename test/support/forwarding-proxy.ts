import { request } from "node:http";
import { startHttp } from "../demo/support.ts";
import type { Service } from "../demo/support.ts";

/**
 * Forwards requests to `target`, and appends their client's address to a header as proxies do; `client` is the address
 * that it reports instead of the connection's.
 */
export function startForwardingProxy(
  target: string,
  name: "Forwarded" | "X-Forwarded-For",
  client?: string,
): Promise<Service> {
  return startHttp((req, res) => {
    const address = client ?? req.socket.remoteAddress;
    const entry = name === "Forwarded" ? `for="${address}"` : address;
    const given = req.headers[name.toLowerCase()];
    const headers = {
      ...req.headers,
      [name.toLowerCase()]: given === undefined ? entry : `${String(given)}, ${entry}`,
    };
    const upstream = request(`${target}${req.url}`, { method: req.method, headers, agent: false });
    upstream.once("response", (response) => {
      res.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(res);
    });
    req.pipe(upstream);
  });
}
