import type { AddressInfo, Server } from "node:net";

/** Listens on a free port, and writes a line of JSON with the `url` to stdout for the process that waits for it. */
export function listen(server: Server): void {
  server.listen(0, "127.0.0.1", () => {
    // The address of a TCP server that is listening.
    const { port } = server.address() as AddressInfo;
    process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`);
  });
}
