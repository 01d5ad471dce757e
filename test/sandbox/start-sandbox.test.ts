import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { Code } from "@connectrpc/connect";
import type { Address, SandboxSettings } from "../../src/sandbox/settings.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import {
  as,
  connect,
  readUntil,
  takePort,
  testSettings,
  useSandbox,
  withTemporaryFolder,
} from "./support.ts";

async function isRefused(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connectSocket(Number(port), hostname);
  try {
    await once(socket, "connect");
    return false;
  } catch {
    return true;
  } finally {
    socket.destroy();
  }
}

describe("startSandbox", () => {
  const test = useSandbox();

  it("counts the calls and keeps the metadata of the latest", async () => {
    await test.orchestrator.listWorkflows({}, as("alice"));
    await test.orchestrator.listWorkflows({}, as("bob"));
    assert.equal(test.sandbox.calls.get("ListWorkflows"), 2);
    assert.equal(test.sandbox.calls.get("GetWorkflow"), undefined);
    assert.equal(test.sandbox.lastMetadata.get("ListWorkflows")?.get("ff-principal"), "bob");
  });

  it("rejects messages over 4 MiB, as gRPC servers do", async () => {
    const request = { pageToken: "x".repeat(4 * 1024 * 1024) };
    await assert.rejects(test.orchestrator.listWorkflows(request), { code: Code.ResourceExhausted });
  });

  it("closes with streams open and steps running, refuses connections, and leaves no folder", async () => {
    await withTemporaryFolder(async (folder) => {
      const sandbox = await startSandbox({ ...testSettings, stepSeconds: 600 });
      const orchestrator = connect(sandbox.orchestratorUrl);
      const spec = { name: "n", steps: [{ id: "a", tool: "af2" }] };
      const { id: workflowId } = await orchestrator.submitWorkflow({ spec });
      const events = orchestrator.streamWorkflowEvents({ workflowId })[Symbol.asyncIterator]();
      await events.next();
      assert.equal((await readdir(folder)).length, 1);
      await Promise.all([sandbox.close(), sandbox.close()]);
      await assert.rejects(readUntil({ [Symbol.asyncIterator]: () => events }, () => false));
      assert.deepEqual(await readdir(folder), []);
      assert.ok(await isRefused(sandbox.orchestratorUrl));
      assert.ok(await isRefused(sandbox.objectStoreUrl));
      assert.ok(await isRefused(sandbox.metricsUrl));
      assert.ok(await isRefused(sandbox.stripeUrl));
    });
  });

  const atAddress: readonly [name: string, settings: (addr: Address) => Partial<SandboxSettings>][] = [
    ["ORCHESTRATOR_ADDR", (orchestratorAddr) => ({ orchestratorAddr })],
    ["OBJECT_STORE_ADDR", (objectStoreAddr) => ({ objectStoreAddr })],
    ["METRICS_ADDR", (metricsAddr) => ({ metricsAddr })],
    ["STRIPE_ADDR", (addr) => ({ stripe: { ...testSettings.stripe, addr } })],
  ];
  for (const [name, settingsAt] of atAddress)
    it(`rejects when ${name} is taken, and leaves nothing running`, async () => {
      const { server, port } = await takePort();
      const other = await takePort();
      other.server.close();
      await once(other.server, "close");
      const free = { host: "127.0.0.1", port: other.port };
      const settings = { ...testSettings, objectStoreAddr: free };
      await withTemporaryFolder(async (folder) => {
        await assert.rejects(startSandbox({ ...settings, ...settingsAt({ host: "127.0.0.1", port }) }), {
          code: "EADDRINUSE",
          message: `127.0.0.1:${port} is already in use; set FOLDFORGE_SANDBOX__${name} to another address`,
        });
        assert.deepEqual(await readdir(folder), []);
      });
      assert.ok(await isRefused(`http://127.0.0.1:${free.port}`));
      server.close();
    });
});
