import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, constants } from "node:http2";
import type { ClientHttp2Session } from "node:http2";
import { startOrchestratorServer } from "../../src/sandbox/orchestrator-server.ts";

/** Makes a read on `session`, and leaves it once its response begins, or lets it end; its HTTP/2 code. */
async function read(session: ClientHttp2Session, leaves: boolean): Promise<number | undefined> {
  const stream = session.request({
    ":method": "POST",
    ":path": "/foldforge.orchestrator.v1.OrchestratorService/GetWorkflow",
    "content-type": "application/grpc+proto",
    te: "trailers",
  });
  stream.on("error", () => undefined);
  if (leaves) stream.on("response", () => stream.close(constants.NGHTTP2_CANCEL));
  const closed = once(stream, "close");
  stream.resume().end(Buffer.alloc(5));
  await closed;
  return stream.rstCode;
}

describe("startOrchestratorServer", () => {
  it("serves a session on, after a response of 16 MB was left on it", async () => {
    const server = await startOrchestratorServer(
      // More than Node allows a session by default.
      { getWorkflow: () => ({ id: "x".repeat(16e6) }) },
      (next) => next,
      { host: "127.0.0.1", port: 0 },
    );
    const session = connect(server.url);
    assert.equal(await read(session, true), constants.NGHTTP2_CANCEL);
    assert.equal(await read(session, false), constants.NGHTTP2_NO_ERROR);
    session.destroy();
    await server.close();
  });
});
