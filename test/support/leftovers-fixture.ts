/** A suite whose first test never ends and opens every kind of resource; the others check what is left of them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { before } from "mocha";
import { closeAtEnd } from "./leftovers.ts";
import { temporaryFolder } from "./temporary-folder.ts";

async function listen(port = 0, server: Server = createServer()): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

interface Held {
  readonly pid: number;
  readonly port: number;
  readonly folder: string;
  readonly connection: Socket;
  isClosed: boolean;
}

let portOfSuite = 0;

describe("a suite", () => {
  let held: Held | undefined;
  before(async () => {
    const server = createHttpServer((_req, res) => res.end());
    server.maxConnections = 1;
    portOfSuite = await listen(0, server);
  });

  it("has a test that never ends", async function () {
    const child = spawn(process.execPath, ["--eval", "setInterval(() => undefined, 1e6)"]);
    await once(child, "spawn");
    const connection = connect(portOfSuite, "127.0.0.1");
    await once(connection, "connect");
    held = {
      pid: child.pid!,
      port: await listen(),
      folder: temporaryFolder().path,
      connection,
      isClosed: false,
    };
    closeAtEnd(() => (held!.isClosed = true));
    this.timeout(1);
    await new Promise(() => undefined);
  });

  it("has a test that finds nothing of that", async () => {
    const { pid, port, folder, connection, isClosed } = held!;
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    assert.equal(await listen(port), port);
    assert.ok(!existsSync(folder));
    assert.ok(isClosed);
    assert.ok(connection.closed);
    assert.equal((await fetch(`http://127.0.0.1:${portOfSuite}`)).status, 200);
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
