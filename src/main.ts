import { close as closeInspector } from "node:inspector";
import { prefix } from "./settings/schema.ts";
import { SettingsError, parseSettings } from "./settings/settings.ts";
import type { Settings } from "./settings/settings.ts";
import { loadContract } from "./contract.ts";
import { warnOfDefaultToken } from "./settings/default-token.ts";
import { ListenError, startGateway } from "./gateway.ts";
import type { Gateway } from "./gateway.ts";
import { readText } from "./settings/secret-files.ts";
import { LogOutput } from "./telemetry/log-output.ts";
import { createLogger, withoutMinimumLevel } from "./telemetry/logger.ts";
import { createProcessRegistry } from "./telemetry/process-metrics.ts";
import { createReadableLine } from "./telemetry/readable-line.ts";

/** Says why the process cannot go on, in one message, and ends it. */
function fail(message: string): never {
  process.stderr.write(`foldforge-gateway: ${message}\n`);
  process.exit(1);
}

/** What Node tells of an address that it cannot listen at: its name, where that is not known, else both parts. */
interface AddressError extends NodeJS.ErrnoException {
  readonly hostname?: string;
  readonly address?: string;
  readonly port?: number;
}

function startFailure(error: unknown): string {
  if (error instanceof SettingsError) return error.message;
  if (error instanceof ListenError) {
    // What a server rejects with is Node's own error.
    const { code, hostname, address, port } = error.cause as AddressError;
    const bind = hostname ?? `${address}:${port}`;
    const remedy = `set ${prefix}${error.setting} to another address`;
    if (code === "EADDRINUSE") return `${bind} is already in use; ${remedy}`;
    if (code === "EACCES") return `${bind} may not be used by this user; ${remedy}`;
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
      return `${bind} is not an address of this machine; ${remedy}`;
  }
  const cause = error instanceof ListenError ? error.cause : error;
  return (cause as Partial<Error> | undefined)?.stack ?? String(cause);
}

/** Where the log goes, in colours where it is a terminal that has them and the environment does not say NO_COLOR. */
function logOutput(format: Settings["logFormat"]): LogOutput {
  const { stdout } = process;
  const isReadable = format === "auto" ? stdout.isTTY : format === "pretty";
  return isReadable
    ? new LogOutput(stdout, createReadableLine(stdout.isTTY && stdout.hasColors()))
    : new LogOutput(stdout);
}

/**
 * Closes the inspector, which lets whoever reaches its port run code, if SIGUSR1 opened it before this program had a
 * listener for that signal. One that an option of Node asks for stays open.
 */
function closeInspectorOfSignal(): void {
  const options = `${process.execArgv.join(" ")} ${process.env["NODE_OPTIONS"] ?? ""}`;
  if (!/--inspect(?!-port|-publish)/.test(options)) closeInspector();
}

/** EX_SOFTWARE of sysexits(3): nobody stopped it, and its supervisor should start it again. */
const crashed = 70;

/** How long what is logged last may wait for its reader, in milliseconds, and how much of a grace an exit takes. */
const lastWordsMs = 1000;
const exitMs = 100;

async function main(): Promise<void> {
  // Node opens its inspector at SIGUSR1 unless there is a listener, or the option --disable-sigusr1.
  process.on("SIGUSR1", () => undefined);
  // Not at once: Node may open it a turn of the event loop after the signal.
  setImmediate(closeInspectorOfSignal);
  const { settings, warnings } = parseSettings(process.env, readText);
  const output = logOutput(settings.logFormat);
  const logger = createLogger(output, settings.logLevel);
  // Supervisors wait for how it starts and ends.
  const always = withoutMinimumLevel(logger);
  let gateway: Gateway | undefined = undefined;
  /** When there is just the time left to exit within the grace of a stop. */
  let end = Infinity;
  let isExiting = false;

  /** Ends the process with the code that is told first, once its last line is written or nobody reads it in time. */
  function exit(code: number) {
    if (isExiting) return;
    isExiting = true;
    output.end(Math.min(lastWordsMs, end - performance.now()), () => process.exit(code));
  }

  /** What nobody has caught leaves the process in a state that nobody knows: nothing is served any more. */
  function crash(err: unknown) {
    try {
      logger.fatal({ event: "gateway.crashed", err }, "gateway.crashed");
      exit(crashed);
      void gateway?.close(0);
    } catch {
      process.exit(crashed);
    }
  }

  process.on("uncaughtException", crash).on("unhandledRejection", crash);
  process.on("exit", () => output.flush());
  for (const { event, message } of warnings) logger.warn({ event }, message);
  const contract = loadContract();
  const registry = createProcessRegistry(contract.document.info.version, process.versions.node);
  const started = await startGateway(settings, logger, { contract, registry });
  gateway = started;

  let stopping = false;
  function stop(signal: NodeJS.Signals) {
    if (stopping) process.exit(1);
    if (isExiting) return;
    stopping = true;
    end = performance.now() + settings.shutdownGraceMs - exitMs;
    always.info({ event: "shutdown.started", signal }, "shutdown.started");
    output.flush();
    // Somebody at a keyboard has no load balancer to wait for.
    const stopped = signal === "SIGTERM" ? started.drain() : started.close();
    void stopped.then(() => {
      always.info({ event: "gateway.stopped" }, "gateway.stopped");
      exit(0);
    });
  }
  process.on("SIGTERM", stop).on("SIGINT", stop).on("SIGHUP", stop);
  if (settings.apiTokens.length > 1)
    always.warn({ event: "previous_token.accepted" }, "previous_token.accepted");
  warnOfDefaultToken(settings, { logger: always, print: (text) => process.stderr.write(text) });
  // Whoever reads this may send a signal.
  const { url, metricsUrl } = started;
  always.info({ event: "gateway.started", url, metrics_url: metricsUrl }, "gateway.started");
  output.flush();
}

await main().catch((error: unknown) => fail(startFailure(error)));
