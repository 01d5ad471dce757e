import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** A proxy that forwards bytes, and can fail as networks and machines do. */
export interface TcpProxy {
  readonly url: string;
  /** How many connections it has accepted. */
  readonly accepted: number;
  /** Bytes of clients that were forwarded. */
  readonly bytesUp: number;
  /** Where new connections lead: an origin such as `http://127.0.0.1:1234`. */
  target: string;
  /** Stops every byte, in both directions, on the open connections; new ones work. */
  freeze(): void;
  /** Destroys the open connections. */
  cut(): void;
  close(): Promise<void>;
}

/** Starts it on a free port. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const pairs = new Set<{ client: Socket; server: Socket }>();
  let accepted = 0;
  let bytesUp = 0;
  const listener = createServer((client) => {
    accepted += 1;
    const { hostname, port } = new URL(proxy.target);
    const server = connect(Number(port), hostname);
    const pair = { client, server };
    pairs.add(pair);
    client.on("data", (chunk) => (bytesUp += chunk.length));
    client.pipe(server);
    server.pipe(client);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });
  const proxy: TcpProxy = {
    get url() {
      return `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    },
    get accepted() {
      return accepted;
    },
    get bytesUp() {
      return bytesUp;
    },
    target,
    freeze() {
      for (const { client, server } of pairs) {
        client.unpipe(server).pause();
        server.unpipe(client).pause();
      }
    },
    cut() {
      for (const { client } of pairs) client.destroy();
    },
    async close() {
      const closed = once(listener, "close");
      listener.close();
      proxy.cut();
      await closed;
    },
  };
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return proxy;
}
