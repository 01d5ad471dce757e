import assert from "node:assert/strict";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { suite } from "../support/gateway.ts";
import { connectTo } from "../support/orchestrator.ts";
import { finish, respond, startHttp2Server } from "./http2-server.ts";

describe("Session: flow-control windows", () => {
  const server = suite(startHttp2Server);

  it("allows the server 8 MiB for all responses together", async () => {
    const { encodedClient, close } = connectTo([server().url]);
    let window: number | undefined;
    server().serve = (stream) => {
      window = stream.session?.state.remoteWindowSize;
      respond(stream, encodeEnvelope(Buffer.alloc(0)));
      finish(stream);
    };
    using message = await encodedClient.getWorkflow({});
    assert.equal(message.bytes.length, 0);
    assert.equal(window, 8 * 1024 * 1024);
    close();
  });

  it("receives responses while much more than 10 MB waits to be sent", async () => {
    const { encodedClient, close } = connectTo([server().url]);
    server().serve = (stream) => {
      respond(stream, encodeEnvelope(Buffer.alloc(0)));
      finish(stream);
    };
    const large = Buffer.alloc(4 * 1024 * 1024);
    const calls = Array.from({ length: 8 }, () => [
      encodedClient.submitWorkflow(large),
      encodedClient.getWorkflow({}),
    ]);
    for (const message of await Promise.all(calls.flat())) message[Symbol.dispose]();
    close();
  });
});
