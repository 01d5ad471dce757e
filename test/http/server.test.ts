import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setInterval } from "node:timers/promises";
import { scaled } from "../support/machine.ts";
import { serve } from "../support/serve.ts";
import { deferred } from "../support/stack.ts";

/** Longer than any test: a close that waits for it has failed. */
const longGraceMs = 60_000;

describe("startServer", () => {
  it("returns the URL with the port that it listens on", async () => {
    const server = await serve((_req, res) => void res.end("here"));
    assert.equal(await (await fetch(server.url)).text(), "here");
    await server.close(longGraceMs);
  });

  it("rejects when the port is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    await assert.rejects(
      serve(() => undefined, {}, port),
      { code: "EADDRINUSE" },
    );
    other.close();
  });

  it("finishes requests in flight when it closes, and accepts no new ones", async () => {
    const inFlight = deferred();
    const mayEnd = deferred();
    const server = await serve((_req, res) => {
      inFlight.resolve();
      void mayEnd.promise.then(() => res.end("finished"));
    });
    const response = fetch(server.url);
    await inFlight.promise;
    const closed = server.close(longGraceMs);
    await assert.rejects(fetch(server.url));
    mayEnd.resolve();
    assert.equal(await (await response).text(), "finished");
    await closed;
  });

  it("sends the rest to a slow reader before it closes its connection", async () => {
    // More than all the buffers between two sockets of one machine hold.
    const bytes = Buffer.alloc(32 * 1024 * 1024);
    const server = await serve((_req, res) => void res.end(bytes));
    const { hostname, port } = new URL(server.url);
    const idle = connect(Number(port), hostname);
    const socket = connect(Number(port), hostname);
    for (const each of [idle, socket]) each.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(idle, "readable");
    await once(socket, "readable");
    const closed = server.close(longGraceMs);
    // Time for what would be closed as idle.
    const ticks = setInterval(20);
    for (let i = 0; i < 10; i++) await ticks.next();
    await ticks.return?.();
    let received = 0;
    socket.on("data", ({ length }: Buffer) => (received += length));
    idle.resume();
    await once(socket, "close");
    await closed;
    assert.ok(received > bytes.length, `${received} bytes`);
  });

  it("closes an idle connection after its last response", async () => {
    const begun = deferred();
    const mayEnd = deferred();
    const server = await serve((_req, res) => {
      begun.resolve();
      void mayEnd.promise.then(() => res.end("finished"));
    });
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await begun.promise;
    const closed = server.close(longGraceMs);
    mayEnd.resolve();
    await once(socket, "data");
    const respondedAt = performance.now();
    await closed;
    // Node itself would hold it for five seconds.
    const tookMs = performance.now() - respondedAt;
    assert.ok(tookMs < scaled(4000), `${tookMs} ms`);
    socket.destroy();
  });

  it("destroys the remaining connections after the grace period", async () => {
    const inFlight = deferred();
    const server = await serve(() => inFlight.resolve());
    const response = fetch(server.url);
    await inFlight.promise;
    const closed = server.close(20);
    await assert.rejects(response);
    await closed;
  });
});
