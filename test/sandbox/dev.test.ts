import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describeWithRealS3 } from "../support/s3-servers.ts";
import { jsonPost, oneStep, sha256 } from "../support/samples.ts";
import { terminalSuite } from "../support/terminal.ts";
import { pay } from "./stripe/support.ts";
import { takePort } from "./support.ts";

const run = promisify(execFile);
const file = fileURLToPath(new URL("../../src/sandbox/dev.ts", import.meta.url));

const addresses = {
  orchestrator: "FOLDFORGE_SANDBOX__ORCHESTRATOR_ADDR",
  objectStore: "FOLDFORGE_SANDBOX__OBJECT_STORE_ADDR",
  metrics: "FOLDFORGE_SANDBOX__METRICS_ADDR",
  stripe: "FOLDFORGE_SANDBOX__STRIPE_ADDR",
  gateway: "FOLDFORGE_GATEWAY__BIND_ADDR",
} as const;

/** Each program takes a port that is free. */
const freePorts = Object.fromEntries(Object.values(addresses).map((name) => [name, "127.0.0.1:0"]));

/** Collects what a stream says. */
function listen(stream: Readable) {
  let said = "";
  stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  return {
    get said() {
      return said;
    },
    async until(pattern: RegExp) {
      while (!pattern.test(said)) await once(stream, "data");
    },
  };
}

const running = new Set<ChildProcess>();

/** Starts it in a process group of its own, as a shell does. */
function startDev(settings: Record<string, string> = {}) {
  const env = { ...process.env, ...freePorts, ...settings };
  const dev = spawn(process.execPath, [file], { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  running.add(dev.once("exit", () => running.delete(dev)));
  // The programs that it starts hold its stderr: it is closed only once none of them is left.
  const closed = once(dev, "close");
  const [stdout, stderr] = [listen(dev.stdout), listen(dev.stderr)];
  const pid = dev.pid!;
  return {
    pid,
    stdout,
    stderr,
    /** Resolves with code and signal when it has ended and nothing is left of it. */
    closed,
    /** Resolves with the URL of the gateway. */
    async ready(): Promise<string> {
      await stdout.until(/"gateway\.started".*\n/);
      return /"gateway\.started","url":"([^"]+)"/.exec(stdout.said)![1]!;
    },
    async assertNothingIsLeft(children: readonly number[] = []) {
      for (const child of children) assert.throws(() => process.kill(child, 0), { code: "ESRCH" });
      const urls = [
        /orchestrator (\S+) \(gRPC/,
        /object store (\S+) \(S3/,
        /Stripe +(\S+) \(/,
        /"url":"([^"]+)"/,
      ].map((pattern) => new URL(pattern.exec(stdout.said)![1]!));
      for (const { hostname, port } of urls)
        await assert.rejects(once(connect(Number(port), hostname), "connect"), { code: "ECONNREFUSED" });
    },
    /** The process ids of the sandbox and the gateway. */
    async children() {
      const { stdout: table } = await run("ps", ["-A", "-o", "pid=,ppid=,args="]);
      const find = (program: string) => {
        const rows = table.split("\n").map((row) => row.trim().split(/\s+/));
        const row = rows.find(
          ([, parent, ...args]) => Number(parent) === pid && args.at(-1)!.endsWith(program),
        );
        return Number(row?.[0]);
      };
      return { sandbox: find("/src/sandbox/main.ts"), gateway: find("/src/main.ts") };
    },
  };
}

describe("dev", function () {
  // What a test that fails has left.
  afterEach(() => {
    for (const dev of running) dev.kill("SIGKILL");
  });

  describe("at a terminal", () => {
    const runAtTerminal = terminalSuite();

    it("shows the readable log of the gateway", async () => {
      const terminal = runAtTerminal(file, freePorts);
      await terminal.until(/INFO: gateway\.started \{"url":.*\r\n/);
      assert.match(
        await terminal.interrupt(),
        /FoldForge is ready at .*\n\[[^\]]+\] INFO: gateway\.stopped\r\n/s,
      );
    });
  });

  describeWithRealS3("dev", (access) => {
    it("writes to that server, and the gateway reads from it", async () => {
      const dev = startDev({
        FOLDFORGE_SANDBOX__STEP_SECONDS: "0.01",
        FOLDFORGE_SANDBOX__S3_ENDPOINT: access.endpoint,
        FOLDFORGE_SANDBOX__S3_REGION: access.region,
        FOLDFORGE_SANDBOX__S3_BUCKET: access.bucket,
        FOLDFORGE_SANDBOX__S3_ACCESS_KEY_ID: access.accessKeyId,
        FOLDFORGE_SANDBOX__S3_SECRET_ACCESS_KEY: access.secretAccessKey,
      });
      const url = await dev.ready();
      assert.match(dev.stdout.said, /what is written there stays/);
      const headers = { Authorization: "Bearer ff-demo-key", Prefer: "wait=10" };
      const workflows = `${url}/v1/workflows`;
      const submitted = await fetch(workflows, jsonPost(oneStep, headers));
      const { id } = (await submitted.json()) as { id: string };
      const done = await fetch(`${workflows}/${id}`, { headers });
      const { uri, sha256: digest } = JSON.parse(await done.text()).step_statuses[0].outputs[0];
      const key = uri.replace(`r2://${access.bucket}/`, "");
      const file = await fetch(`${workflows}/${id}/artifacts/${key}`, { headers });
      assert.equal(sha256(Buffer.from(await file.arrayBuffer())), digest);
      process.kill(dev.pid, "SIGINT");
      await dev.closed;
    });
  });

  it("prints curl lines that do what they say when pasted, and then the gateway's log", async function () {
    const hasCurl = await run("curl", ["--version"]).then(
      () => true,
      () => false,
    );
    if (!hasCurl) {
      console.log("      curl is not installed, so the printed lines cannot be tried");
      this.skip();
    }
    const dev = startDev({ FOLDFORGE_SANDBOX__STEP_SECONDS: "0.01" });
    const url = await dev.ready();
    const lines = dev.stdout.said.split("\n");
    const commands = lines.filter((line) => line.startsWith("curl "));
    assert.equal(commands.length, 4);
    assert.ok(lines.findIndex((line) => line.startsWith("{")) > lines.lastIndexOf(commands[3]!));
    const outputs = [];
    for (const command of commands) outputs.push((await run("sh", ["-c", command])).stdout);
    const [submitted, events, list, checkout] = outputs;
    const { id, steps } = JSON.parse(submitted!);
    assert.equal(steps.length, 3);
    assert.match(events!, new RegExp(`\nevent: workflow_update\ndata: {"workflow_id":"${id}".*"SUCCEEDED"`));
    assert.deepEqual(
      JSON.parse(list!).workflows.map((workflow: { id: string }) => workflow.id),
      [id],
    );
    await dev.stdout.until(/"event":"workflow.submit"/);
    const [, apiKey, docs] = /with the API key (\S+): (\S+)\n/.exec(dev.stdout.said)!;
    assert.ok(commands.slice(0, 3).every((command) => command.includes(`Bearer ${apiKey}'`)));
    const page = await fetch(docs!);
    assert.match(await page.text(), /^<!doctype html>/);

    const [, buyerKey, credits] = /API key (\S+) that .* its (\d+) credits/.exec(dev.stdout.said)!;
    const headers = { Authorization: `Bearer ${buyerKey}` };
    const [example] = /\{"name":"design-then-fold".*\}/.exec(commands[0]!)!;
    const rejected = await fetch(`${url}/v1/workflows`, jsonPost(JSON.parse(example), headers));
    assert.equal(rejected.status, 402);
    const paid = await pay(JSON.parse(checkout!).url);
    assert.equal(paid.headers.get("location"), docs);
    const balance = await fetch(`${url}/v1/billing/balance`, { headers });
    assert.equal(((await balance.json()) as { balance: number }).balance, Number(credits) + 500);
    process.kill(dev.pid, "SIGTERM");
    await dev.closed;
  });

  for (const [how, signal, isForGroup] of [
    ["Ctrl-C", "SIGINT", true],
    ["SIGTERM", "SIGTERM", false],
  ] as const)
    it(`stops both programs and ends with 0 at ${how}, with a stream open, a step running and a log level`, async () => {
      const dev = startDev({
        FOLDFORGE_SANDBOX__STEP_SECONDS: "600",
        FOLDFORGE_GATEWAY__LOG_LEVEL: "fatal",
      });
      const url = await dev.ready();
      const children = Object.values(await dev.children());
      const headers = { Authorization: "Bearer ff-demo-key", "Content-Type": "application/json" };
      const body = JSON.stringify({ name: "n", steps: [{ id: "a", tool: "af2" }] });
      const submitted = await fetch(`${url}/v1/workflows`, { method: "POST", headers, body });
      const { id } = (await submitted.json()) as { id: string };
      const events = await fetch(`${url}/v1/workflows/${id}/events`, { headers });
      const rest = assert.rejects(events.text());
      process.kill(isForGroup ? -dev.pid : dev.pid, signal);
      assert.deepEqual(await dev.closed, [0, null]);
      assert.equal(dev.stderr.said, "");
      assert.ok(!dev.stdout.said.includes("request.completed"));
      // The gateway receives one signal: a second one would end its requests in flight.
      assert.deepEqual(dev.stdout.said.match(/"shutdown.started","signal":"\w+"/g), [
        '"shutdown.started","signal":"SIGTERM"',
      ]);
      await rest;
      await dev.assertNothingIsLeft(children);
    });

  it("leaves no program running when it is killed outright", async () => {
    const dev = startDev();
    await dev.ready();
    process.kill(dev.pid, "SIGKILL");
    assert.deepEqual(await dev.closed, [null, "SIGKILL"]);
    await dev.assertNothingIsLeft();
  });

  it("kills a program that hangs at the second signal, whichever they are, and ends with 1", async () => {
    const dev = startDev();
    await dev.ready();
    const children = await dev.children();
    process.kill(children.gateway, "SIGSTOP");
    process.kill(dev.pid, "SIGHUP");
    process.kill(dev.pid, "SIGINT");
    assert.deepEqual(await dev.closed, [1, null]);
    await dev.assertNothingIsLeft();
  });

  for (const name of ["sandbox", "gateway"] as const)
    it(`stops the rest and ends with 1 and one line when the ${name} dies`, async () => {
      const dev = startDev();
      await dev.ready();
      const children = await dev.children();
      process.kill(children[name], "SIGKILL");
      assert.deepEqual(await dev.closed, [1, null]);
      assert.equal(dev.stderr.said, `dev: the ${name} has ended (SIGKILL), so everything is stopped\n`);
      await dev.assertNothingIsLeft(Object.values(children));
    });

  for (const names of [[addresses.orchestrator], [addresses.gateway], Object.values(addresses)])
    it(`ends with 1 and one line when the ports of ${names.join(", ")} are taken`, async () => {
      const taken = [];
      for (const name of names) taken.push({ name, ...(await takePort()) });
      const settings = taken.map(({ name, port }) => [name, `127.0.0.1:${port}`] as const);
      const dev = startDev(Object.fromEntries(settings));
      assert.deepEqual(await dev.closed, [1, null]);
      for (const { server } of taken) server.close();
      const listed = settings.map(([name, address]) => `${address} (${name})`).join(", ");
      assert.equal(
        dev.stderr.said,
        `dev: already in use: ${listed}; stop what listens there, such as another \`make dev\`, or set other addresses\n`,
      );
      assert.equal(dev.stdout.said, "");
    });

  it("ends with 1 and every violation when the sandbox's settings are wrong", async () => {
    const dev = startDev({ FOLDFORGE_SANDBOX__STEP_SECONDS: "soon" });
    assert.deepEqual(await dev.closed, [1, null]);
    assert.match(
      dev.stderr.said,
      /^dev: these settings are wrong:\n {2}FOLDFORGE_SANDBOX__STEP_SECONDS: .+\n$/,
    );
  });
});
