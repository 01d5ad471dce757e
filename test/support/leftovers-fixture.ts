/** A suite whose first test never ends and holds what a test can hold, and whose others look what there is of it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { before } from "mocha";
import { startTestGateway, suite } from "./gateway.ts";
import type { TestGateway } from "./gateway.ts";
import { temporaryFolder } from "./temporary-folder.ts";

async function listen(port = 0): Promise<number> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

interface Held {
  readonly pid: number;
  readonly port: number;
  readonly folder: string;
  readonly gateway: TestGateway;
  readonly connection: Socket;
}

let portOfSuite = 0;

describe("a suite", () => {
  const shared = suite(() => startTestGateway({ MAX_CONNECTIONS: "1" }));
  let held: Held | undefined;
  before(async () => {
    portOfSuite = await listen();
  });

  it("has a test that never ends", async function () {
    const child = spawn(process.execPath, ["--eval", "setInterval(() => undefined, 1e6)"]);
    await once(child, "spawn");
    const { hostname, port } = new URL(shared().url);
    const connection = connect(Number(port), hostname);
    await once(connection, "connect");
    held = {
      pid: child.pid!,
      port: await listen(),
      folder: temporaryFolder().path,
      gateway: await startTestGateway(),
      connection,
    };
    this.timeout(1);
    await new Promise(() => undefined);
  });

  it("has a test that finds nothing of that", async () => {
    const { pid, port, folder, gateway, connection } = held!;
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    assert.equal(await listen(port), port);
    assert.ok(!existsSync(folder));
    await assert.rejects(gateway.fetch("/v1/healthz"));
    assert.ok(connection.closed);
    assert.equal((await shared().fetch("/v1/healthz")).status, 200);
  });

  it("still has what its hooks have started", async () => {
    await assert.rejects(listen(portOfSuite), { code: "EADDRINUSE" });
  });
});

describe("the next suite", () => {
  it("finds nothing of what the hooks have started", async () => {
    assert.equal(await listen(portOfSuite), portOfSuite);
  });
});
