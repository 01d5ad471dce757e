import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { finalStatus } from "../../src/http/final-status.ts";
import { HttpError } from "../../src/errors/http-error.ts";
import { suite } from "../support/gateway.ts";

describe("finalStatus", () => {
  const server = suite(async () => {
    const listening = createServer().listen(0, "127.0.0.1");
    await once(listening, "listening");
    return { listening, close: () => new Promise<void>((resolve) => listening.close(() => resolve())) };
  });

  /** The final status after `respond`. */
  async function statusAfter(respond: (res: ServerResponse) => void): Promise<number | undefined> {
    const { listening } = server();
    const over = new Promise<number | undefined>((resolve) => {
      listening.once("request", (_req, res: ServerResponse) => {
        // It emits the error that it is destroyed with.
        res.on("error", () => undefined).once("close", () => resolve(finalStatus(res)));
        respond(res);
      });
    });
    const { port } = listening.address() as AddressInfo;
    const headers = { connection: "close" };
    await fetch(`http://127.0.0.1:${port}`, { headers })
      .then((sent) => sent.text())
      .catch(() => undefined);
    return over;
  }

  it("returns the status that was sent, also of an incomplete response", async () => {
    assert.equal(await statusAfter((res) => res.writeHead(201).end()), 201);
    assert.equal(await statusAfter((res) => res.writeHead(200).write("half", () => res.destroy())), 200);
  });

  it("returns the status of the error that ended the connection", async () => {
    const rejection = new HttpError(Code.InvalidArgument, "too late", { status: 408 });
    assert.equal(await statusAfter((res) => res.destroy(rejection)), 408);
  });

  it("returns undefined if nothing was sent", async () => {
    assert.equal(await statusAfter((res) => res.destroy()), undefined);
  });
});
