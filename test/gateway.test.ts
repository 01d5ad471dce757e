import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { ListenError } from "../src/gateway.ts";
import { startTestGateway } from "./support/gateway.ts";
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
