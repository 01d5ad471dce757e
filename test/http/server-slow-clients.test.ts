import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { adminToken, startTestGateway, suite } from "../support/gateway.ts";
import { runGateway } from "../support/gateway-process.ts";
import { watchHealth } from "../support/health-watch.ts";
import { scaledSeconds } from "../support/machine.ts";

const submit =
  `POST /v1/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\n` +
  "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n";

function open(url: string, sent: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on("error", () => undefined);
  socket.write(sent);
  return socket;
}

/** Everything that is received until the server closes the connection. */
async function receivedFrom(socket: Socket): Promise<string> {
  let received = "";
  socket.setEncoding("latin1").on("data", (part: string) => (received += part));
  // Not `once` of node:events, which rejects when a server that reads no more resets the connection.
  await new Promise((resolve) => socket.once("close", resolve));
  return received;
}

describe("a slow client", () => {
  const gateway = suite(() =>
    startTestGateway({ HEADERS_TIMEOUT_SECONDS: "0.2", REQUEST_TIMEOUT_SECONDS: "0.4" }),
  );
  const shortRequest = suite(() =>
    startTestGateway({ HEADERS_TIMEOUT_SECONDS: "60", REQUEST_TIMEOUT_SECONDS: "0.2" }),
  );

  it("gets 408 and a closed connection, wherever it stops sending", async () => {
    const responses = await Promise.all([
      ...["", "GET /v1/heal", "GET /v1/healthz HTTP/1.1\r\nHost: x\r\nX: ", `${submit}{`].map((sent) =>
        receivedFrom(open(gateway().url, sent)),
      ),
      // The headers have no more time than the whole request.
      receivedFrom(open(shortRequest().url, "GET")),
    ]);
    for (const response of responses) {
      assert.match(response, /^HTTP\/1\.1 408 /);
      assert.match(response, /^connection: close\r$/im);
      const body = JSON.parse(response.slice(response.indexOf("\r\n\r\n")));
      assert.deepEqual(
        [body.code, body.message, body.retryable],
        ["INVALID_ARGUMENT", "the request was not complete in time", false],
      );
    }
  });
});

describe("a thousand dripping connections", () => {
  it("do not slow healthz, and are closed", async () => {
    const { child, started, ended } = runGateway({
      BIND_ADDR: "127.0.0.1:0",
      HEADERS_TIMEOUT_SECONDS: scaledSeconds(1),
    });
    const url = await started;
    const health = watchHealth(url, child.pid);
    const sockets = Array.from({ length: 1000 }, () => open(url, "GET /v1/healthz HTTP/1.1\r\nX: "));
    const drip = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write("x");
    }, 200);
    const responses = Promise.all(sockets.map(receivedFrom));
    for (let i = 0; i < 10; i += 1) {
      const response = await fetch(`${url}/v1/healthz`);
      await response.text();
      assert.equal(response.status, 200);
    }
    for (const response of await responses) assert.match(response, /^HTTP\/1\.1 408 /);
    clearInterval(drip);
    const { longestMs, ownMs = longestMs } = await health.longest();
    await health.close();
    assert.ok(ownMs < 1000, `${ownMs} ms`);
    child.kill("SIGINT");
    await ended;
  });
});

describe("connections of a server", () => {
  it("above the limit are closed without a response, with one warning a second", async () => {
    const gateway = await startTestGateway({ MAX_CONNECTIONS: "2" });
    const healthz = "GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    const held = [open(gateway.url, ""), open(gateway.url, "")];
    await Promise.all(held.map((socket) => once(socket, "connect")));
    const begin = performance.now();
    for (let i = 0; i < 5; i += 1) assert.equal(await receivedFrom(open(gateway.url, "")), "");
    const seconds = (performance.now() - begin) / 1000;
    const full = () => gateway.logs.filter(({ event }) => event === "connections.dropped");
    const closed = () => full().reduce((sum, { count }) => sum + Number(count), 0);
    while (closed() < 5) await once(gateway.logged, "line");
    held[0]!.write(healthz);
    await once(held[0]!, "data");
    assert.equal(closed(), 5);
    assert.ok(full().length <= 1 + seconds, `${full().length} warnings in ${seconds} s`);
    for (const { level, maxConnections } of full()) assert.deepEqual([level, maxConnections], ["warn", 2]);
    held[1]!.destroy();
    await once(held[1]!, "close");
    // The gateway counts a connection until its own side is closed.
    let response = "";
    while (response === "")
      response = await receivedFrom(
        open(gateway.url, healthz.replace("x\r\n", "x\r\nConnection: close\r\n")),
      );
    assert.match(response, /^HTTP\/1\.1 200 /);
    held[0]!.destroy();
    await gateway.close();
  });

  it("stay open for 75 s between two requests by default", async () => {
    const [usual, short] = await Promise.all([
      startTestGateway(),
      startTestGateway({ KEEP_ALIVE_TIMEOUT_SECONDS: "0.1" }),
    ]);
    const response = await usual.fetch("/v1/healthz");
    assert.equal(response.headers.get("keep-alive"), "timeout=75");
    await response.text();
    const socket = open(short.url, "GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.match(await text(socket), /^HTTP\/1\.1 200 /);
    await Promise.all([usual.close(), short.close()]);
  });
});
