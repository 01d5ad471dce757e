import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { globSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { assertPasses, createScratch } from "./check/scratch-fixture.ts";
import { suite } from "./support/gateway.ts";
import { blocks, section } from "./support/readme.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const run = promisify(execFile);
const [dev = "", demo = "", byHand = ""] = blocks("sh");

/** The address of a free port. */
async function freeAddress(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

/** Runs a command in a process group of its own until it says `ready`; closing it is a Ctrl-C. */
async function startCommand(command: string, ready: RegExp, settings: Record<string, string>) {
  const env = { ...process.env, ...settings };
  const child = spawn("sh", ["-c", command], { env, detached: true, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  let said = "";
  for await (const chunk of child.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    if (ready.test(said)) break;
  }
  assert.match(said, ready);
  child.stdout.resume();
  return {
    said,
    async close() {
      process.kill(-child.pid!, "SIGINT");
      await ended;
    },
  };
}

describe("README: the commands", () => {
  const here = suite(async () => {
    const [gateway, orchestrator, store] = [await freeAddress(), await freeAddress(), await freeAddress()];
    const program = await startCommand(dev, /is ready at/, {
      FOLDFORGE_GATEWAY__BIND_ADDR: gateway,
      FOLDFORGE_SANDBOX__ORCHESTRATOR_ADDR: orchestrator,
      FOLDFORGE_SANDBOX__OBJECT_STORE_ADDR: store,
      FOLDFORGE_SANDBOX__STEP_SECONDS: "0.1",
    });
    return { ...program, gateway };
  });

  it("run a workflow and download what it made, by make demo", async () => {
    using folder = temporaryFolder();
    const env = {
      ...process.env,
      FOLDFORGE_URL: `http://${here().gateway}`,
      FOLDFORGE_DOWNLOADS: folder.path,
    };
    const { stdout } = await run("sh", ["-c", demo], { env });
    const [shown = ""] = blocks("text");
    const lastLine = (text: string) =>
      text
        .trimEnd()
        .split("\n")
        .at(-1)
        ?.replace(/[0-9a-f-]{36}$/, "ID");
    assert.equal(lastLine(stdout)?.replace(folder.path, "downloads"), lastLine(shown));
    assert.equal(globSync(join(folder.path, "*/*/*")).length, 21);
  });

  it("do the same by hand, with curl", async () => {
    using folder = temporaryFolder();
    assert.ok(byHand.includes("127.0.0.1:8080"));
    const script = byHand.replaceAll("127.0.0.1:8080", here().gateway);
    const { stdout } = await run("sh", ["-euc", script], { cwd: folder.path });
    assert.match(stdout, /^event: step_update$/m);
    assert.match(stdout, /"state":"SUCCEEDED"/);
    const [file = ""] = readdirSync(folder.path);
    const digest = createHash("sha256")
      .update(readFileSync(join(folder.path, file)))
      .digest("hex");
    assert.equal(file, `${digest}.pdb`);
  });

  it("start the gateway alone, and the sandbox alone", async () => {
    const gateway = await startCommand("make start", /"event":"gateway.started"/, {
      FOLDFORGE_GATEWAY__BIND_ADDR: "127.0.0.1:0",
    });
    await gateway.close();
    const sandbox = await startCommand("make sandbox", /API key/, {
      FOLDFORGE_SANDBOX__ORCHESTRATOR_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__OBJECT_STORE_ADDR: "127.0.0.1:0",
    });
    await sandbox.close();
  });
});

describe("README: changing the contract", () => {
  it("goes from the edit to a green check with the commands as written", async () => {
    const text = section("Changing the contract");
    const [[diff = ""], [change = ""]] = [blocks("diff", text), blocks("sh", text)];
    using scratch = { ...createScratch(), [Symbol.dispose]: () => scratch.remove() };
    await scratch.commitAs("main");
    scratch.write("note.diff", diff);
    assertPasses(await scratch.run("git", "apply", "-p0", "note.diff"));
    // Without the check of style, which depends on no contract and takes longest.
    assert.match(change, /^make check$/m);
    const commands = change.replace(/^make check$/m, "make check-contracts check-types");
    assertPasses(await scratch.run("sh", "-euc", `rm note.diff\n${commands}`));
    assert.match(scratch.read("generated/openapi/gateway.v1.ts"), /note\?: components/);
  });
});
