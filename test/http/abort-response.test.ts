import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { abortResponse } from "../../src/http/abort-response.ts";
import { suite } from "../support/gateway.ts";

describe("abortResponse", () => {
  const server = suite(async () => {
    const server = createServer((_req, res) => {
      res.write("a part", () => abortResponse(res));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      port: (server.address() as AddressInfo).port,
      close: () => new Promise<void>((resolve) => void server.close(() => resolve())),
    };
  });

  /** What a client of this version receives, and how its connection ends. */
  async function get(version: string): Promise<{ text: string; error: unknown }> {
    const socket = connect(server().port, "127.0.0.1");
    let text = "";
    let error: unknown;
    socket.setEncoding("latin1").on("data", (part: string) => (text += part));
    socket.on("error", (failure) => (error = failure));
    socket.write(`GET / HTTP/${version}\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => socket.once("close", resolve));
    return { text, error };
  }

  it("omits the last chunk of an HTTP/1.1 response", async () => {
    const { text } = await get("1.1");
    assert.match(text, /^Transfer-Encoding: chunked\r$/m);
    assert.ok(!text.endsWith("0\r\n\r\n"));
  });

  it("resets an HTTP/1.0 connection, whose end would be the end of the response", async () => {
    const { error } = await get("1.0");
    assert.equal((error as NodeJS.ErrnoException).code, "ECONNRESET");
  });
});
