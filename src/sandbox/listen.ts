import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import type { Server } from "node:net";
import { settingPrefix, type Address } from "./settings.ts";

/** A server could not listen. `code` is the system's, such as EADDRINUSE; the message says what to do. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: string | undefined;

  constructor(address: Address, setting: string, cause: NodeJS.ErrnoException) {
    const where = hostPort(address);
    const what =
      cause.code === "EADDRINUSE"
        ? `${where} is already in use`
        : `cannot listen on ${where} (${cause.message})`;
    super(`${what}; set ${settingPrefix}${setting} to another address`, { cause });
    this.code = cause.code;
  }
}

/** `host:port`, with an IPv6 host in brackets. */
export function hostPort({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Listens, and returns the URL to call; rejects with a ListenError that names `setting`. */
export async function listen(server: Server, address: Address, setting: string): Promise<string> {
  const listening = once(server, "listening");
  server.listen(address.port, address.host);
  try {
    await listening;
  } catch (error) {
    throw error instanceof Error ? new ListenError(address, setting, error) : error;
  }
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : address.port;
  return `http://${hostPort({ host: address.host, port })}`;
}

/** The URL by which this machine reaches a server that listens on `url`. */
export function localUrl(url: string): string {
  return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
}

/** Stops listening and destroys every connection. */
export async function closeServer(server: HttpServer): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
