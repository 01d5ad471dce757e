import assert from "node:assert/strict";
import { once } from "node:events";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { ListenError } from "../src/gateway.ts";
import { startTestGateway } from "./support/gateway.ts";
import { startDisposableStack } from "./support/stack.ts";
import { startUpstream } from "./support/upstream.ts";
import { sockets } from "./grpc/transports.ts";
import { until } from "./support/until.ts";

describe("startGateway", () => {
  it("starts while the orchestrator is down, healthy and not ready", async () => {
    const gateway = await startTestGateway({ ORCHESTRATOR_ENDPOINT: "http://127.0.0.1:1" });
    assert.equal((await gateway.fetch("/v1/healthz")).status, 200);
    assert.equal((await gateway.fetch("/v1/readyz")).status, 503);
    await gateway.close();
  });

  it("makes calls with Node's HTTP/2 client if ORCHESTRATOR_NODE_HTTP2 is true", async () => {
    const created: unknown[] = [];
    const onStream = (message: unknown) => created.push(message);
    subscribe("http2.client.stream.created", onStream);
    for (const isUsed of [false, true]) {
      await using stack = await startDisposableStack(
        { listWorkflows: () => ({}) },
        { ORCHESTRATOR_NODE_HTTP2: String(isUsed) },
      );
      assert.equal((await stack.gateway.fetch("/v1/workflows")).status, 200);
      assert.equal(created.length > 0, isUsed);
    }
    unsubscribe("http2.client.stream.created", onStream);
  });

  it("rejects if its port is in use, and leaves nothing open", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const upstream = await startUpstream();
    const before = sockets();
    const settings = {
      BIND_ADDR: `127.0.0.1:${port}`,
      // Several are connected to at once.
      ORCHESTRATOR_ENDPOINT: `${upstream.url},http://127.0.0.1:1`,
    };
    await assert.rejects(startTestGateway(settings), (error) => {
      assert.ok(error instanceof ListenError);
      assert.equal(error.setting, "BIND_ADDR");
      assert.equal((error.cause as NodeJS.ErrnoException).code, "EADDRINUSE");
      return true;
    });
    other.close();
    await until(() => sockets() === before);
    await upstream.close();
  });
});
