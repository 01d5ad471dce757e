import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { prefix } from "../src/settings/schema.ts";
import { runGateway } from "./support/gateway-process.ts";
import type { GatewayProcess } from "./support/gateway-process.ts";
import type { TestSettings } from "./support/gateway.ts";
import { sendText } from "./support/raw-http.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

/** A free port. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Runs a gateway whose coverage counts: enough tests do to cover all of main.ts that can be. */
function runMain(settings: TestSettings, options: Parameters<typeof runGateway>[1] = {}): GatewayProcess {
  return runGateway(settings, { ...options, countsCoverage: true });
}

describe("main", () => {
  it("lists every invalid setting in one message without its value, and exits with 1", async () => {
    const { code, stderr, lines } = await runMain({
      BIND_ADDR: "nowhere",
      ORCHESTRATOR_ENDPOINT: "ftp://secret-host",
      API_TOKEN: "secret token",
      AUTH_CACHE_TTL_SECONDS: "-1",
      API_KEYS_ENABLED: "maybe",
    }).ended;
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

  it("prints one line for a port in use, and exits with 1", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const bind = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr } = await runMain({ BIND_ADDR: bind }).ended;
    other.close();
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `foldforge-gateway: ${bind} is already in use; set ${prefix}BIND_ADDR to another address\n`,
    );
  });

  it("prints one line for a METRICS_ADDR in use, and exits with 1", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const bind = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr, lines } = await runGateway({ BIND_ADDR: "127.0.0.1:0", METRICS_ADDR: bind }).ended;
    other.close();
    assert.deepEqual([code, lines], [1, []]);
    assert.equal(
      stderr,
      `foldforge-gateway: ${bind} is already in use; set ${prefix}METRICS_ADDR to another address\n`,
    );
  });

  it("logs the URL of the metrics in gateway.started, and stops both servers", async () => {
    const { child, lines, started, ended } = runGateway({
      BIND_ADDR: "127.0.0.1:0",
      METRICS_ADDR: "127.0.0.1:0",
    });
    const url = await started;
    const start = lines.find(({ event }) => event === "gateway.started");
    const metricsUrl = String(start?.["metrics_url"]);
    const statuses: number[] = [];
    for (const origin of [url, metricsUrl]) statuses.push((await fetch(`${origin}/metrics`)).status);
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    assert.deepEqual([statuses, code, stderr], [[404, 200], 0, ""]);
  });

  it("prints one line for an unknown host, and exits with 1", async () => {
    const { code, stderr } = await runGateway({ BIND_ADDR: "999.1.1.1:80" }).ended;
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `foldforge-gateway: 999.1.1.1 is not an address of this machine; set ${prefix}BIND_ADDR to another address\n`,
    );
  });

  it("logs setting.ignored and setting.deprecated whatever LOG_LEVEL is, and serves", async () => {
    const { child, started, ended } = runMain({
      BIND_ADDR: "127.0.0.1:0",
      LOG_LEVEL: "fatal",
      API_TOKNE: "x",
      STALE_AUTH_SECONDS: "1",
    });
    const url = await started;
    assert.equal((await fetch(`${url}/v1/healthz`)).status, 200);
    child.kill("SIGINT");
    const { lines } = await ended;
    const warnings = lines.filter(({ event }) => String(event).startsWith("setting."));
    assert.deepEqual(
      warnings.map(({ level, event, setting, replacements }) => ({ level, event, setting, replacements })),
      [
        {
          level: "warn",
          event: "setting.deprecated",
          setting: `${prefix}STALE_AUTH_SECONDS`,
          replacements: [`${prefix}AUTH_CACHE_STALE_IF_ERROR_SECONDS`],
        },
        {
          level: "warn",
          event: "setting.ignored",
          setting: `${prefix}API_TOKNE`,
          replacements: [`${prefix}API_TOKEN`],
        },
      ],
    );
    assert.match(String(warnings[0]?.["msg"]), /STALE_AUTH_SECONDS is deprecated/);
    assert.match(String(warnings[1]?.["msg"]), /API_TOKNE is not a setting/);
  });

  it("accepts the current and the previous administrator token, and logs previous_token.accepted", async () => {
    using folder = temporaryFolder();
    const [file, previous] = [join(folder.path, "token"), join(folder.path, "previous-token")];
    writeFileSync(file, "new-token\n");
    writeFileSync(previous, "old-token\n");
    const { child, started, ended } = runGateway({
      BIND_ADDR: "127.0.0.1:0",
      LOG_LEVEL: "fatal",
      API_TOKEN_FILE: file,
      API_TOKEN_PREVIOUS_FILE: previous,
    });
    const url = await started;
    const statuses: number[] = [];
    for (const token of ["new-token", "old-token", "dev-token"]) {
      const headers = { Authorization: `Bearer ${token}` };
      statuses.push((await fetch(`${url}/v1/billing/balance`, { headers })).status);
    }
    child.kill("SIGINT");
    const { lines, stderr } = await ended;
    const [first] = lines;
    assert.deepEqual([first?.["level"], first?.event], ["warn", "previous_token.accepted"]);
    assert.ok(!(JSON.stringify(lines) + stderr).includes("-token"));
    // The administrator has no credits.
    assert.deepEqual(statuses, [403, 403, 401]);
  });

  it("logs start, stop and the default token, and no request, at the minimum log level fatal", async () => {
    const { child, started, ended } = runGateway({
      BIND_ADDR: "0.0.0.0:0",
      LOG_LEVEL: "fatal",
      DRAIN_DELAY_SECONDS: "0",
    });
    const { port } = new URL(await started);
    await (await fetch(`http://127.0.0.1:${port}/v1/healthz`)).text();
    child.kill("SIGTERM");
    const { lines, stderr } = await ended;
    assert.deepEqual(
      lines.map(({ level, event }) => [level, event]),
      [
        ["error", "default_token.accepted"],
        ["info", "gateway.started"],
        ["info", "shutdown.started"],
        ["info", "gateway.stopped"],
      ],
    );
    assert.match(stderr, /^\+-+\+\n\| WARNING: /);
  });

  it("parses HTTP strictly, whatever the options of the process", async () => {
    const execArgv = ["--insecure-http-parser"];
    const { child, started, ended } = runGateway({ BIND_ADDR: "127.0.0.1:0" }, { execArgv });
    assert.match(await sendText(await started, "GET /v1/healthz HTTP/1.1\nHost: x\n\n"), /^HTTP\/1\.1 400 /);
    child.kill("SIGINT");
    await ended;
  });

  for (const [sent, delay] of [
    ["SIGTERM", "0"],
    // These signals skip the drain.
    ["SIGINT", "50"],
    ["SIGHUP", "50"],
  ] as const) {
    it(`exits with 0 on ${sent}, with an empty stderr and the last line gateway.stopped`, async () => {
      const settings = { BIND_ADDR: "127.0.0.1:0", DRAIN_DELAY_SECONDS: delay, SHUTDOWN_GRACE_SECONDS: "60" };
      const { child, started, ended } = runMain(settings);
      const url = await started;
      await (await fetch(`${url}/v1/healthz`)).text();
      child.kill(sent);
      const { code, signal, stderr, lines } = await ended;
      assert.deepEqual([code, signal, stderr], [0, null, ""]);
      assert.deepEqual(
        lines.slice(-2).map(({ event }) => event),
        ["shutdown.started", "gateway.stopped"],
      );
      assert.ok(lines.every((line) => typeof line["time"] === "string" && typeof line["level"] === "string"));
    });
  }

  describe("at SIGUSR1", () => {
    /** Whether a process listens on the port. */
    async function isOpen(port: number): Promise<boolean> {
      const socket = connect(port, "127.0.0.1");
      const isConnected = await new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      });
      socket.destroy();
      return isConnected;
    }

    const raise = "--import=data:text/javascript,process.kill(process.pid,'SIGUSR1')";
    for (const [when, ...execArgv] of [
      ["while it serves"],
      ["while it serves, with the option of the image", "--disable-sigusr1"],
      ["before it is loaded", raise],
      ["before it is loaded, with the option of the image", "--disable-sigusr1", raise],
    ] as const)
      it(`opens no inspector, and continues to serve: ${when}`, async () => {
        const port = await freePort();
        const { child, started, ended } = runGateway(
          { BIND_ADDR: "127.0.0.1:0", DRAIN_DELAY_SECONDS: "0" },
          { execArgv: [`--inspect-port=${port}`, ...execArgv] },
        );
        try {
          const url = await started;
          child.kill("SIGUSR1");
          // Node opens it in a thread of its own.
          for (let i = 0; i < 20; i++) assert.equal((await fetch(`${url}/v1/healthz`)).status, 200);
          assert.equal(await isOpen(port), false);
        } finally {
          child.kill("SIGINT");
        }
        const { code, stderr } = await ended;
        assert.equal(code, 0);
        if (execArgv[0] !== raise) assert.equal(stderr, "");
      });

    it("keeps the inspector that an option of Node opens", async () => {
      const port = await freePort();
      const execArgv = [`--inspect=127.0.0.1:${port}`];
      const { child, started, ended } = runGateway({ BIND_ADDR: "127.0.0.1:0" }, { execArgv });
      try {
        await started;
        assert.equal(await isOpen(port), true);
      } finally {
        child.kill("SIGINT");
      }
      await ended;
    });
  });

  it("serves during the drain delay after SIGTERM, and exits with 1 at a second signal", async () => {
    const settings = { DRAIN_DELAY_SECONDS: "50", SHUTDOWN_GRACE_SECONDS: "60" };
    const { child, lines, started, ended } = runMain({ BIND_ADDR: "127.0.0.1:0", ...settings });
    const url = await started;
    child.kill("SIGTERM");
    const healthz = () => fetch(`${url}/v1/healthz`);
    while (!lines.some(({ event }) => event === "shutdown.started")) await (await healthz()).text();
    const response = await healthz();
    assert.deepEqual([response.status, response.headers.get("connection")], [200, "close"]);
    child.kill("SIGTERM");
    const { code, signal, stderr } = await ended;
    assert.deepEqual([code, signal, stderr], [1, null, ""]);
  });

  it("serves and stops although nobody reads its log", async () => {
    const { child, started, ended } = runMain({ BIND_ADDR: "127.0.0.1:0", DRAIN_DELAY_SECONDS: "0" });
    const url = await started;
    child.stdout?.pause();
    // Each request logs about 200 bytes; the pipe and the stream at its other end hold 128 KiB.
    const waiting = Array.from({ length: 2000 });
    async function work() {
      while (waiting.pop() === undefined && waiting.length > 0) {
        assert.equal((await fetch(`${url}/v1/healthz`)).status, 200);
      }
    }
    await Promise.all(Array.from({ length: 20 }, work));
    child.kill("SIGTERM");
    await once(child, "exit");
    child.stdout?.resume();
    const { code, signal, stderr } = await ended;
    assert.deepEqual([code, signal, stderr], [0, null, ""]);
  });
});
