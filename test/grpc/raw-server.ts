import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** A TCP server, disposed by `using`. */
export interface RawServer extends Disposable {
  readonly url: string;
  /** The time of each connection, by `performance.now()`. */
  readonly connectedAt: readonly number[];
}

/** Starts a TCP server on a free port that calls `act` with each connection. */
export async function startRawServer(act: (socket: Socket) => void): Promise<RawServer> {
  const connectedAt: number[] = [];
  const server = createServer((socket) => {
    connectedAt.push(performance.now());
    socket.on("error", () => undefined);
    act(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connectedAt,
    [Symbol.dispose]: () => void server.close(),
  };
}
