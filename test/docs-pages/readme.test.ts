import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "../support/gateway.ts";
import { blocks, readPage } from "../support/pages.ts";
import { sha256 } from "../support/samples.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const run = promisify(execFile);
const page = readPage("README.md");
const [dev = "", demo = "", curl = ""] = blocks(page, "sh");
const [python = ""] = blocks(page, "python");
const interpreter = process.env["PYTHON"] || "python3";

/** Runs a command in a process group of its own until it prints `ready`; `close` is a Ctrl-C. */
async function startCommand(command: string, ready: RegExp, settings: Record<string, string>) {
  const env = { ...process.env, ...settings };
  const child = spawn("sh", ["-c", command], { env, detached: true, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  let output = "";
  for await (const chunk of child.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    if (ready.test(output)) break;
  }
  assert.match(output, ready);
  child.stdout.resume();
  return {
    output,
    async close() {
      process.kill(-child.pid!, "SIGINT");
      await ended;
    },
  };
}

describe("README.md", () => {
  const here = suite(async () => {
    const started = /"gateway\.started","url":"http:\/\/([^"]+)"/;
    const program = await startCommand(dev, started, {
      FOLDFORGE_GATEWAY__BIND_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__ORCHESTRATOR_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__OBJECT_STORE_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__METRICS_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__STRIPE_ADDR: "127.0.0.1:0",
      // A step outlasts the time from a submission until its events are followed.
      FOLDFORGE_SANDBOX__STEP_SECONDS: "1",
    });
    return { ...program, gateway: started.exec(program.output)![1]! };
  });

  /** An example of the page that calls the gateway under test. */
  function againstHere(example: string): string {
    assert.ok(example.includes("127.0.0.1:8080"));
    return example.replaceAll("127.0.0.1:8080", here().gateway);
  }

  it("shows the output of make demo", async () => {
    using folder = temporaryFolder();
    const env = {
      ...process.env,
      FOLDFORGE_URL: `http://${here().gateway}`,
      FOLDFORGE_DOWNLOADS: folder.path,
    };
    const { stdout } = await run("sh", ["-c", demo], { env });
    const shown = blocks(page, "text").find((block) => block.startsWith("submitted")) ?? "";
    /** What follows the progress, without what differs from run to run. */
    const result = (text: string) =>
      text
        .slice(text.indexOf("\nverified"))
        .replace(/[0-9a-f-]{36}\n/, "ID\n")
        .replace(/fold-\d+\.pdb +\d\d\.\d/g, "DESIGN")
        .replace(/[\d,]+ are left/, "REST");
    assert.equal(result(stdout).replace(folder.path, "downloads"), result(shown));
    assert.equal(globSync(join(folder.path, "*/*")).length, 22);
  });

  it("submits, follows and downloads with curl", async () => {
    using folder = temporaryFolder();
    const { stdout } = await run("sh", ["-euc", againstHere(curl)], { cwd: folder.path });
    assert.match(stdout, /^event: step_update$/m);
    assert.match(stdout, /"state":"SUCCEEDED"/);
    const file = readFileSync(join(folder.path, "fold-0.pdb"));
    assert.ok(stdout.includes(sha256(file)));
    assert.match(stdout, / fold-0\.pdb\n$/);
  });

  it("submits, waits and lists files with Python", async function () {
    if (spawnSync(interpreter, ["--version"]).status !== 0) {
      console.log(`      skipped: ${interpreter} is not installed`);
      return this.skip();
    }
    const { stdout } = await run(interpreter, ["-c", againstHere(python)]);
    assert.match(stdout, /^SUCCEEDED\ndesign-0\.pdb \{'length': 100/);
  });
});

describe("make", () => {
  it("starts the gateway alone, and the sandbox alone", async () => {
    const gateway = await startCommand("make start", /"event":"gateway.started"/, {
      FOLDFORGE_GATEWAY__BIND_ADDR: "127.0.0.1:0",
    });
    await gateway.close();
    const sandbox = await startCommand("make sandbox", /API key/, {
      FOLDFORGE_SANDBOX__ORCHESTRATOR_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__OBJECT_STORE_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__METRICS_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__STRIPE_ADDR: "127.0.0.1:0",
    });
    await sandbox.close();
  });
});
