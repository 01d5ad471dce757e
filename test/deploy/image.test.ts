import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before } from "mocha";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { createMemoryCgroup } from "../bench/memory-cgroup.ts";
import { environment } from "../support/environment.ts";
import { imageFlags } from "../support/image-flags.ts";
import { sandboxSettings } from "../support/sandbox.ts";
import { readDockerfile } from "./dockerfile.ts";
import { compileCacheOf, createImageFolder } from "./image-folder.ts";
import type { ImageFolder, ImageUser } from "./image-folder.ts";

const image = readDockerfile();
const mebibyte = 1024 * 1024;

/** The user of the image, if this process may change its user. */
function imageUser(): ImageUser {
  const [uid = NaN, gid = NaN] = image.user.split(":").map(Number);
  return process.getuid?.() === 0 ? { uid, gid } : {};
}

describe("the files of the image", () => {
  let folder: ImageFolder | undefined;
  const children: ChildProcess[] = [];
  before("lay it out", () => {
    folder = createImageFolder(imageUser());
  });
  after("end what runs and remove it", async () => {
    for (const child of children.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    )) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    folder?.[Symbol.dispose]();
  });

  /** Runs a command as a container of the image would, with only these settings in its environment. */
  function run([program = "", ...args]: readonly string[], settings: Record<string, string>) {
    const { app = "", bin = "" } = folder ?? {};
    const env = {
      ...image.env,
      NODE_COMPILE_CACHE: compileCacheOf(app),
      PATH: bin,
      // Node would inherit it, and the user of the image may not write there.
      NODE_V8_COVERAGE: "",
      ...settings,
    };
    const child = spawn(program, args, { cwd: app, env, ...imageUser(), stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    const errors = text(child.stderr);
    const ended = once(child, "close").then(async ([code]) => ({ code, stderr: await errors }));
    return { child, ended };
  }

  /** Resolves with the first group of `pattern` in the output of a program. */
  async function findInOutput({ stdout }: ChildProcess, pattern: RegExp): Promise<string> {
    let said = "";
    for await (const chunk of stdout!.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
      said += String(chunk);
      const found = pattern.exec(said)?.[1];
      if (found === undefined) continue;
      stdout!.resume();
      return found;
    }
    throw new Error(`it ended, and said: ${said}`);
  }

  it("omit the sandbox, and what only callers of the gateway need", () => {
    for (const place of ["src/sandbox", "src/demo"]) {
      assert.ok(existsSync(place));
      assert.ok(!existsSync(join(folder!.app, place)), place);
    }
  });

  it("cannot be written by the user of the image", async () => {
    for (const place of ["new", "src/main.ts"]) {
      const { code, stderr } = await run(["node", "--eval", `fs.appendFileSync("${place}", "")`], {}).ended;
      assert.equal(code, 1);
      assert.match(stderr, /EACCES/);
    }
  });

  it("run the gateway, healthy until it exits with 0, as the user of the image", async () => {
    const sandbox = await startSandbox(sandboxSettings);
    const gateway = run(image.command, {
      ...environment({
        BIND_ADDR: "127.0.0.1:0",
        DRAIN_DELAY_SECONDS: "0",
        ORCHESTRATOR_ENDPOINT: sandbox.orchestratorUrl,
      }),
      // No signal opens an inspector, from the start: Node would report it on stderr.
      NODE_OPTIONS: "--import=data:text/javascript,process.kill(process.pid,'SIGUSR1')",
    });
    const url = await findInOutput(gateway.child, /"event":"gateway.started","url":"([^"]+)"/);
    const check = () => run(image.healthcheck, environment({ BIND_ADDR: new URL(url).host })).ended;
    gateway.child.kill("SIGUSR1");

    for (const path of [
      "/v1/healthz",
      "/v1/readyz",
      "/v1/openapi.json",
      "/docs",
      "/docs/page.js",
      "/metrics",
    ])
      assert.equal((await fetch(url + path)).status, 200, path);
    assert.deepEqual(await check(), { code: 0, stderr: "" });

    gateway.child.kill(image.stopSignal);
    assert.deepEqual(await gateway.ended, { code: 0, stderr: "" });
    assert.equal((await check()).code, 1);
    await sandbox.close();
  });

  it("start the gateway, and render its page, from the compile cache, without the compiler of types and without undici", async () => {
    const report = `process.on("exit", () => {
      const parts = ["deps/amaro", "deps/undici"];
      const isLoaded = (part) => process.moduleLoadList.some((name) => name.includes(part));
      console.error(JSON.stringify(parts.filter(isLoaded)));
    })`;
    const loadedBy = async (settings: Record<string, string>) => {
      const gateway = run(image.command, {
        ...environment({
          BIND_ADDR: "127.0.0.1:0",
          R2_ENDPOINT: "http://127.0.0.1:9",
          R2_ACCESS_KEY_ID: "id",
          R2_SECRET_ACCESS_KEY: "secret",
        }),
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(report)}`,
        ...settings,
      });
      const url = await findInOutput(gateway.child, /"event":"gateway.started","url":"([^"]+)"/);
      await (await fetch(`${url}/docs`)).text();
      gateway.child.kill("SIGINT");
      return JSON.parse((await gateway.ended).stderr);
    };
    assert.deepEqual(await loadedBy({}), []);
    const collector = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
    assert.deepEqual(await loadedBy(collector), ["deps/undici"]);
    // An error of a call would load undici.
    const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", OTEL_TRACES_SAMPLER: "always_off" };
    assert.deepEqual(await loadedBy({ ...collector, ...grpc }), []);
    assert.deepEqual(await loadedBy({ NODE_COMPILE_CACHE: "" }), ["deps/amaro"]);
  });

  it("limit V8's old space to half of the container's memory", () => {
    const cgroup = createMemoryCgroup(512 * mebibyte);
    if (cgroup === undefined) console.log("      with this machine's memory: it allows no memory cgroup");
    const tell = `
      const memory = Math.min(process.constrainedMemory() || Infinity, os.totalmem());
      console.log(JSON.stringify({ limit: v8.getHeapStatistics().heap_size_limit, memory }));`;
    const [command = "", ...args] = [...(cgroup?.run ?? []), process.execPath, ...imageFlags()];
    const { limit, memory } = JSON.parse(
      execFileSync(command, [...args, "--eval", tell], { encoding: "utf8" }),
    );
    cgroup?.remove();
    if (cgroup !== undefined) assert.equal(memory, 512 * mebibyte);
    // Beside the old space, the heap has three semi-spaces of 8 MiB. V8 counts in MiB.
    assert.ok(Math.abs(limit - (memory / 2 + 24 * mebibyte)) <= mebibyte, `${limit} of ${memory}`);
  });

  it("are unhealthy if something else responds", async () => {
    await using other = createServer((_req, res) => res.writeHead(503).end()).listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const { code } = await run(image.healthcheck, environment({ BIND_ADDR: `127.0.0.1:${port}` })).ended;
    assert.equal(code, 1);
  });
});
