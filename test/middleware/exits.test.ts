import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { Code } from "@connectrpc/connect";
import express from "express";
import { HttpError } from "../../src/errors/http-error.ts";
import { errorHandler } from "../../src/http/error-handler.ts";
import { trace } from "../../src/middleware/trace.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { adminToken, startTestGateway, suite } from "../support/gateway.ts";
import { serve } from "../support/serve.ts";

describe("an upload that breaks off", () => {
  const gateway = suite(() => startTestGateway());

  it("is a client that left, and no failure behind the gateway", async () => {
    const { hostname, port } = new URL(gateway().url);
    const socket = connect(Number(port), hostname);
    const head = `POST /v1/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\n`;
    socket.write(
      `${head}Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`,
    );
    await once(socket, "data");
    socket.destroy();
    while (!gateway().logs.some(({ event }) => event === "request.completed"))
      await once(gateway().logged, "line");
    assert.deepEqual(
      gateway().logs.map(({ event, status }) => ({ event, status })),
      [{ event: "request.completed", status: 499 }],
    );
  });
});

describe("an error whose body cannot be written", () => {
  const lines: string[] = [];
  const server = suite(async () => {
    const app = express();
    app.use(trace);
    app.get("/", () => {
      // Nothing that type checks is beyond JSON; what is thrown need not type check.
      throw new HttpError(Code.NotFound, "x", {
        violations: [{ path: 1n as unknown as string, message: "y" }],
      });
    });
    app.use(errorHandler(createLogger({ write: (line) => void lines.push(line) })));
    const { url, close } = await serve(app);
    return { url, close: () => close(0) };
  });

  it("is answered with a body that always can", async () => {
    const answer = await fetch(server().url);
    assert.equal(answer.status, 500);
    assert.deepEqual(await answer.json(), {
      code: "INTERNAL",
      message: "internal server error",
      retryable: false,
    });
    assert.match(lines.join(""), /BigInt/);
  });
});
