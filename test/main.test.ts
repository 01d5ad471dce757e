import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { prefix } from "../src/settings/schema.ts";
import { fillStdout, onSignal, runGateway } from "./support/gateway-process.ts";
import type { GatewayProcess, ProcessExit } from "./support/gateway-process.ts";
import type { TestSettings } from "./support/gateway.ts";
import { sendText } from "./support/raw-http.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

/** Runs a gateway whose coverage counts: enough tests do to cover all of main.ts that can be. */
function runMain(settings: TestSettings, options: Parameters<typeof runGateway>[1] = {}): GatewayProcess {
  return runGateway(settings, { ...options, countsCoverage: true });
}

/** A drain delay longer than a test may take. */
const longDrain = { DRAIN_DELAY_SECONDS: "600", SHUTDOWN_GRACE_SECONDS: "660" };

/** Sends requests: Node opens an inspector in a thread of its own, which takes some time. */
async function serveAWhile(url: string): Promise<void> {
  for (let i = 0; i < 20; i++) assert.equal((await fetch(`${url}/v1/healthz`)).status, 200);
}

describe("main", () => {
  it("lists every invalid setting in one message without its value, and exits with 1", async () => {
    const { code, stderr, lines } = await runMain({
      BIND_ADDR: "nowhere",
      ORCHESTRATOR_ENDPOINT: "ftp://secret-host",
      API_TOKEN: "secret token",
      AUTH_CACHE_TTL_SECONDS: "-1",
      API_KEYS_ENABLED: "maybe",
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization secret",
    }).ended;
    assert.equal(code, 1);
    assert.deepEqual(lines, []);
    for (const name of [
      `${prefix}BIND_ADDR`,
      `${prefix}ORCHESTRATOR_ENDPOINT`,
      `${prefix}API_TOKEN`,
      `${prefix}AUTH_CACHE_TTL_SECONDS`,
      `${prefix}API_KEYS_ENABLED`,
      "OTEL_EXPORTER_OTLP_HEADERS",
    ]) {
      assert.equal(stderr.split(`${name} `).length, 2, name);
    }
    assert.equal(stderr.trimEnd().split("\n").length, 7);
    assert.ok(!stderr.includes("secret"));
    assert.ok(!stderr.includes("    at "));
  });

  it("prints one line for a port in use, and exits with 1", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const bind = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr, lines } = await runMain({ BIND_ADDR: bind, API_TOKEN: "a-secret" }).ended;
    other.close();
    assert.deepEqual([code, lines], [1, []]);
    assert.equal(
      stderr,
      `foldforge-gateway: ${bind} is already in use; set ${prefix}BIND_ADDR to another address\n`,
    );
  });

  it("prints one line for a METRICS_ADDR of an unknown host, logs nothing, and exits with 1", async () => {
    const settings = { BIND_ADDR: "127.0.0.1:0", METRICS_ADDR: "999.1.1.1:80" };
    const { code, stderr, lines } = await runGateway(settings).ended;
    assert.deepEqual([code, lines], [1, []]);
    assert.equal(
      stderr,
      `foldforge-gateway: 999.1.1.1 is not an address of this machine; set ${prefix}METRICS_ADDR to another address\n`,
    );
  });

  describe("at the minimum log level fatal, with settings that it warns of", () => {
    const statuses: Record<string, number> = {};
    let exit: ProcessExit;
    before("run it from its start to SIGHUP", async () => {
      using folder = temporaryFolder();
      const [file, previous] = [join(folder.path, "token"), join(folder.path, "previous-token")];
      writeFileSync(file, "new-token\n");
      writeFileSync(previous, "old-token\n");
      const { child, lines, started, ended } = runMain({
        BIND_ADDR: "127.0.0.1:0",
        METRICS_ADDR: "127.0.0.1:0",
        LOG_LEVEL: "fatal",
        API_TOKNE: "x",
        API_TOKEN_FILE: file,
        API_TOKEN_PREVIOUS_FILE: previous,
        STALE_AUTH_SECONDS: "1",
        ...longDrain,
      });
      const url = await started;
      for (const token of ["new-token", "old-token", "dev-token"]) {
        const headers = { Authorization: `Bearer ${token}` };
        statuses[token] = (await fetch(`${url}/v1/billing/balance`, { headers })).status;
      }
      statuses["metrics"] = (await fetch(`${url}/metrics`)).status;
      const metricsUrl = String(lines.at(-1)?.["metrics_url"]);
      statuses["metrics_url"] = (await fetch(`${metricsUrl}/metrics`)).status;
      child.kill("SIGHUP");
      exit = await ended;
    });

    it("logs the warnings, start and stop, and no request", () => {
      assert.deepEqual(
        exit.lines.map(({ level, event }) => [level, event]),
        [
          ["warn", "setting.deprecated"],
          ["warn", "setting.ignored"],
          ["warn", "previous_token.accepted"],
          ["info", "gateway.started"],
          ["info", "shutdown.started"],
          ["info", "gateway.stopped"],
        ],
      );
    });

    it("names the replacements in setting.deprecated and setting.ignored", () => {
      const [deprecated, ignored] = exit.lines;
      assert.equal(deprecated?.["setting"], `${prefix}STALE_AUTH_SECONDS`);
      assert.deepEqual(deprecated["replacements"], [`${prefix}AUTH_CACHE_STALE_IF_ERROR_SECONDS`]);
      assert.match(String(deprecated["msg"]), /STALE_AUTH_SECONDS is deprecated/);
      assert.equal(ignored?.["setting"], `${prefix}API_TOKNE`);
      assert.deepEqual(ignored["replacements"], [`${prefix}API_TOKEN`]);
      assert.match(String(ignored["msg"]), /API_TOKNE is not a setting/);
    });

    it("accepts the current and the previous administrator token, and logs neither", () => {
      // The administrator has no credits.
      const { "new-token": current, "old-token": previous, "dev-token": standard } = statuses;
      assert.deepEqual([current, previous, standard], [403, 403, 401]);
      assert.ok(!(JSON.stringify(exit.lines) + exit.stderr).includes("-token"));
    });

    it("serves the metrics at the URL in gateway.started only", () => {
      assert.deepEqual([statuses["metrics"], statuses["metrics_url"]], [404, 200]);
    });

    it("exits with 0, without the drain delay, and with an empty stderr", () => {
      assert.deepEqual([exit.code, exit.signal, exit.stderr], [0, null, ""]);
    });
  });

  it("warns of the default token in the log and on stderr, and exits with 0 at SIGTERM", async () => {
    const settings = { BIND_ADDR: "0.0.0.0:0", LOG_LEVEL: "fatal", DRAIN_DELAY_SECONDS: "0" };
    const { child, started, ended } = runGateway(settings);
    const { port } = new URL(await started);
    await (await fetch(`http://127.0.0.1:${port}/v1/healthz`)).text();
    child.kill("SIGTERM");
    const { code, signal, lines, stderr } = await ended;
    assert.deepEqual([code, signal], [0, null]);
    assert.deepEqual(
      lines.map(({ level, event }) => [level, event]),
      [
        ["error", "default_token.accepted"],
        ["info", "gateway.started"],
        ["info", "shutdown.started"],
        ["info", "gateway.stopped"],
      ],
    );
    assert.match(stderr, /^\+-+\+\n\| WARNING: [^]*\n\+-+\+\n$/);
  });

  describe("with --insecure-http-parser, at SIGUSR1 and SIGINT", () => {
    let response: string;
    let exit: ProcessExit;
    before("run it", async () => {
      const execArgv = ["--insecure-http-parser", "--inspect-port=0"];
      const settings = { BIND_ADDR: "127.0.0.1:0", ...longDrain };
      const { child, started, ended } = runGateway(settings, { execArgv });
      const url = await started;
      response = await sendText(url, "GET /v1/healthz HTTP/1.1\nHost: x\n\n");
      child.kill("SIGUSR1");
      await serveAWhile(url);
      child.kill("SIGINT");
      exit = await ended;
    });

    it("parses HTTP strictly", () => {
      assert.match(response, /^HTTP\/1\.1 400 /);
    });

    it("opens no inspector, which Node would report on stderr", () => {
      assert.equal(exit.stderr, "");
    });

    it("exits with 0, without the drain delay, and with the last line gateway.stopped", () => {
      const { code, signal, lines } = exit;
      assert.deepEqual([code, signal], [0, null]);
      assert.deepEqual(
        lines.slice(-2).map(({ event }) => event),
        ["shutdown.started", "gateway.stopped"],
      );
      assert.ok(lines.every((line) => typeof line["time"] === "string" && typeof line["level"] === "string"));
    });
  });

  describe("the inspector", () => {
    /** Whether Node has reported an inspector, and its port is open. */
    async function isOpen(stderr: string): Promise<boolean> {
      const [url] = /ws:\S+/.exec(stderr) ?? [];
      if (url === undefined) return false;
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      const isConnected = await new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      });
      socket.destroy();
      return isConnected;
    }

    it("is closed after a SIGUSR1 that comes before main is loaded, and the gateway serves", async () => {
      const raise = "--import=data:text/javascript,process.kill(process.pid,'SIGUSR1')";
      const gateway = runGateway(
        { BIND_ADDR: "127.0.0.1:0", DRAIN_DELAY_SECONDS: "0" },
        { execArgv: ["--inspect-port=0", raise] },
      );
      const url = await gateway.started;
      gateway.child.kill("SIGUSR1");
      await serveAWhile(url);
      assert.equal(await isOpen(gateway.stderr()), false);
      gateway.child.kill("SIGINT");
      assert.equal((await gateway.ended).code, 0);
    });

    it("stays open if an option of Node opens it", async () => {
      const gateway = runGateway({ BIND_ADDR: "127.0.0.1:0" }, { execArgv: ["--inspect=127.0.0.1:0"] });
      await gateway.started;
      assert.equal(await isOpen(gateway.stderr()), true);
      gateway.child.kill("SIGINT");
      await gateway.ended;
    });
  });

  it("serves during the drain delay after SIGTERM, and exits with 1 at a second signal", async () => {
    const { child, lines, started, ended } = runMain({ BIND_ADDR: "127.0.0.1:0", ...longDrain });
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
    const fillLog = onSignal("SIGUSR2", fillStdout);
    const settings = { BIND_ADDR: "127.0.0.1:0", DRAIN_DELAY_SECONDS: "0" };
    const { child, started, ended } = runGateway(settings, { execArgv: [fillLog] });
    const url = await started;
    child.stdout?.pause();
    child.kill("SIGUSR2");
    await serveAWhile(url);
    child.kill("SIGTERM");
    await once(child, "exit");
    child.stdout?.resume();
    const { code, signal, stderr } = await ended;
    assert.deepEqual([code, signal, stderr], [0, null, ""]);
  });
});
