import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { connect, readUntil, takePort, withTemporaryFolder } from "./support.ts";

type Child = ChildProcessByStdio<null, Readable, Readable>;

const main = fileURLToPath(new URL("../../src/sandbox/main.ts", import.meta.url));

function start(settings: Record<string, string>): Child {
  const named = Object.entries(settings).map(([name, value]) => [`FOLDFORGE_SANDBOX__${name}`, value]);
  const env = { ...process.env, ...Object.fromEntries(named) };
  return spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "pipe"] });
}

/** What a process has printed once `pattern` matches it. */
async function printed(stream: Readable, pattern: RegExp): Promise<string> {
  let output = "";
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    if (pattern.test(output)) return output;
  }
  return assert.fail(`ended with ${output}`);
}

const freePorts = {
  ORCHESTRATOR_ADDR: "127.0.0.1:0",
  OBJECT_STORE_ADDR: "127.0.0.1:0",
  METRICS_ADDR: "127.0.0.1:0",
  STRIPE_ADDR: "127.0.0.1:0",
};

describe("main", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    it(`says what it is, warns of an unknown setting, serves, and ends with 0 and no trace at ${signal}`, async () => {
      await withTemporaryFolder(async (folder) => {
        const child = start({ ...freePorts, STEP_SECONDS: "600", STEP_SECOND: "1" });
        const exit = once(child, "exit");
        const stderr = text(child.stderr);
        const output = await printed(child.stdout, /ff-buyer-key.*\n/);
        assert.match(output, /for one machine/);
        assert.match(output, /gone at exit/);
        assert.match(output, /checks no signatures/);
        const metrics = await fetch(/metrics +(\S+)/.exec(output)?.[1] ?? "");
        assert.match(await metrics.text(), /^foldforge_steps_in_flight 0$/m);
        assert.match(output, /Stripe +http:\S+ \(.*no money moves\)/);
        assert.match(output, /ff-demo-key \(principal demo, unlimited\)/);
        assert.match(output, /ff-small-key \(principal demo-small, 3 submissions per 3600 s\)/);
        assert.match(output, /ff-buyer-key \(principal demo-buyer, unlimited, 20 credits\)/);
        const orchestrator = connect(/orchestrator (\S+)/.exec(output)?.[1] ?? "");
        const spec = { name: "n", steps: [{ id: "a", tool: "af2" }] };
        const { id: workflowId } = await orchestrator.submitWorkflow({ spec });
        const events = orchestrator.streamWorkflowEvents({ workflowId });
        await assert.rejects(
          readUntil(events, ({ eventId }) => {
            if (eventId === 0n) child.kill(signal);
            return false;
          }),
        );
        assert.deepEqual(await exit, [0, null]);
        assert.equal(
          await stderr,
          "sandbox: FOLDFORGE_SANDBOX__STEP_SECOND is not a setting and has no effect\n",
        );
        assert.deepEqual(await readdir(folder), []);
      });
    });

  it("ends with 1 and one line when a port is taken", async () => {
    const { server, port } = await takePort();
    const child = start({ ...freePorts, OBJECT_STORE_ADDR: `127.0.0.1:${port}` });
    const [[code], stderr] = await Promise.all([once(child, "exit"), text(child.stderr)]);
    server.close();
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `sandbox: 127.0.0.1:${port} is already in use; set FOLDFORGE_SANDBOX__OBJECT_STORE_ADDR to another address\n`,
    );
  });

  it("ends with 1 and one line when its S3 server cannot be used", async () => {
    const endpoint = "http://127.0.0.1:1";
    const credentials = { S3_ACCESS_KEY_ID: "id", S3_SECRET_ACCESS_KEY: "s3cret" };
    const child = start({ ...freePorts, S3_ENDPOINT: endpoint, ...credentials });
    const [[code], stderr] = await Promise.all([once(child, "exit"), text(child.stderr)]);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `sandbox: the bucket foldforge at ${endpoint} cannot be used (ECONNREFUSED); is FOLDFORGE_SANDBOX__S3_ENDPOINT right?\n`,
    );
  });

  it("ends with 1 and every violation when settings are wrong", async () => {
    const child = start({ STEP_SECONDS: "soon", OBJECT_STORE_ADDR: "x" });
    const [[code], stderr] = await Promise.all([once(child, "exit"), text(child.stderr)]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^sandbox: these settings are wrong:\n {2}\S+OBJECT_STORE_ADDR: .+\n {2}\S+STEP_SECONDS: .+\n$/,
    );
  });
});
