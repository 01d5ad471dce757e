import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { prefix } from "../src/config.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** Starts the gateway as a process of its own. */
function run(settings: Record<string, string>) {
  const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [prefix + name, value]));
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const lines: Record<string, unknown>[] = [];
  const started = Promise.withResolvers<string>();
  createInterface(child.stdout).on("line", (line) => {
    const entry = JSON.parse(line) as Record<string, unknown>;
    lines.push(entry);
    if (entry["event"] === "gateway.start") started.resolve(String(entry["url"]));
  });
  const exited = once(child, "close").then(([code, signal]) => {
    started.reject(new Error(`it ended before it had started: ${stderr}`));
    return { code: code as number | null, signal: signal as string | null, stderr, lines };
  });
  // Only a test that waits for the start minds that there was none.
  started.promise.catch(() => undefined);
  return { child, exited, started: started.promise };
}

describe("main", () => {
  it("tells every fault of the configuration in one message, repeats no value, and exits with 1", async () => {
    const { code, stderr, lines } = await run({
      BIND_ADDR: "nowhere",
      ORCHESTRATOR_ENDPOINT: "ftp://secret-host",
      API_TOKEN: "secret token",
      AUTH_CACHE_TTL_SECONDS: "-1",
      API_KEYS_ENABLED: "maybe",
    }).exited;
    assert.equal(code, 1);
    assert.deepEqual(lines, []);
    for (const name of [
      "BIND_ADDR",
      "ORCHESTRATOR_ENDPOINT",
      "API_TOKEN",
      "AUTH_CACHE_TTL_SECONDS",
      "API_KEYS_ENABLED",
    ]) {
      assert.equal(stderr.split(`${prefix}${name} `).length, 2, name);
    }
    assert.equal(stderr.trimEnd().split("\n").length, 6);
    assert.ok(!stderr.includes("secret"));
    assert.ok(!stderr.includes("    at "));
  });

  it("says in one line that its port is taken, and exits with 1", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const bind = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr } = await run({ BIND_ADDR: bind }).exited;
    other.close();
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `foldforge-gateway: ${bind} is already in use; set ${prefix}BIND_ADDR to another address\n`,
    );
  });

  it("warns of a setting that it does not know, with the nearest name, serves, and exits with 0 on SIGINT", async () => {
    const { child, started, exited } = run({ BIND_ADDR: "127.0.0.1:0", API_TOKNE: "x" });
    const url = await started;
    assert.equal((await fetch(`${url}/v1/healthz`)).status, 200);
    child.kill("SIGINT");
    const { code, signal, lines } = await exited;
    assert.deepEqual([code, signal], [0, null]);
    const warning = lines.find(({ event }) => event === "config.unknown");
    assert.equal(warning?.["level"], "warn");
    assert.match(
      String(warning["msg"]),
      /API_TOKNE is not a setting; did you mean FOLDFORGE_GATEWAY__API_TOKEN\?/,
    );
  });

  it("drains and exits with 0 on SIGTERM, with nothing on stderr", async () => {
    const { child, started, exited } = run({ BIND_ADDR: "127.0.0.1:0" });
    const url = await started;
    await (await fetch(`${url}/v1/healthz`)).text();
    child.kill("SIGTERM");
    const { code, signal, stderr, lines } = await exited;
    assert.deepEqual([code, signal, stderr], [0, null, ""]);
    assert.ok(lines.some(({ event }) => event === "gateway.stop"));
    assert.ok(lines.every((line) => typeof line["time"] === "string" && typeof line["level"] === "string"));
  });
});
