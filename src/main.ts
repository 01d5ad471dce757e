import { close as closeInspector } from "node:inspector";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadContract } from "./contract.ts";
import { ListenError, startGateway } from "./gateway.ts";
import type { Gateway } from "./gateway.ts";
import { warnOfDefaultToken } from "./settings/default-token.ts";
import { prefix } from "./settings/schema.ts";
import { readText } from "./settings/secret-files.ts";
import { SettingsError, parseSettings } from "./settings/settings.ts";
import type { Settings } from "./settings/settings.ts";
import { LogOutput } from "./telemetry/log-output.ts";
import { createLogger, withoutMinimumLevel } from "./telemetry/logger.ts";
import { createProcessRegistry } from "./telemetry/process-metrics.ts";

/** Prints why the gateway cannot start, and exits. */
function fail(message: string): never {
  process.stderr.write(`foldforge-gateway: ${message}\n`);
  process.exit(1);
}

/** Node's error of a server that cannot listen: has `hostname` when DNS failed, else `address` and `port`. */
interface AddressError extends NodeJS.ErrnoException {
  readonly hostname?: string;
  readonly address?: string;
  readonly port?: number;
}

function startFailure(error: unknown): string {
  if (error instanceof SettingsError) return error.message;
  if (error instanceof ListenError) {
    const { code, hostname, address, port } = error.cause as AddressError;
    const bind = hostname ?? `${address}:${port}`;
    const remedy = `set ${prefix}${error.setting} to another address`;
    if (code === "EADDRINUSE") return `${bind} is already in use; ${remedy}`;
    if (code === "EACCES") return `${bind} may not be used by this user; ${remedy}`;
    // EAI_AGAIN: no name server responds.
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || code === "EAI_AGAIN")
      return `${bind} is not an address of this machine; ${remedy}`;
  }
  const cause = error instanceof ListenError ? error.cause : error;
  return (cause as Partial<Error> | undefined)?.stack ?? String(cause);
}

/** The log on stdout. It has colors on a terminal that supports them, unless NO_COLOR is set. */
async function createLogOutput(format: Settings["logFormat"]): Promise<LogOutput> {
  const { stdout } = process;
  const isReadable = format === "auto" ? stdout.isTTY : format === "pretty";
  if (!isReadable) return new LogOutput(stdout);
  // A static import would always load pino-pretty and its 28 modules.
  const { createReadableLine } = await import("./telemetry/readable-line.ts");
  return new LogOutput(stdout, createReadableLine(stdout.isTTY && stdout.hasColors()));
}

/**
 * Keeps SIGUSR1 from opening Node's inspector, through which anybody who reaches its port can run code. Node opens it
 * unless there is a listener or the option --disable-sigusr1. An inspector that an option of Node opens stays open.
 */
function disableInspectorSignal(): void {
  process.on("SIGUSR1", () => undefined);
  const options = `${process.execArgv.join(" ")} ${process.env["NODE_OPTIONS"] ?? ""}`;
  if (/--inspect(?!-port|-publish)/.test(options)) return;
  // A signal before that listener may open it as late as in the next iteration of the event loop.
  setImmediate(closeInspector);
}

/**
 * Collects the garbage of the start, which V8 would keep until much more has been allocated: in an idle gateway, for
 * ever. V8's function for it exists in contexts that are created while the flag is set. The flag is set for a moment
 * only: Node's compile cache depends on the flags.
 */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as NodeJS.GCFunction;
  setFlagsFromString("--no-expose-gc");
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** EX_SOFTWARE of sysexits(3): an internal error, after which a supervisor should restart the process. */
const crashExitCode = 70;

/** How long an exit waits for a reader of the last log lines, in milliseconds. */
const maxLogWaitMs = 1000;

/** The end of the shutdown grace that the exit itself may take, in milliseconds. */
const exitReserveMs = 100;

async function main(): Promise<void> {
  disableInspectorSignal();
  const { settings, warnings } = parseSettings(process.env, readText);
  const output = await createLogOutput(settings.logFormat);
  const logger = createLogger(output, settings.logLevel);
  // Supervisors wait for the lines about start and stop, and each warning about the settings comes only once.
  const alwaysLogger = withoutMinimumLevel(logger);
  let gateway: Gateway | undefined = undefined;
  let shutdownDeadline = Infinity;
  let isExiting = false;

  /** Exits with the code of the first call, once the last log line is written or its reader is too slow. */
  function exit(code: number) {
    if (isExiting) return;
    isExiting = true;
    output.end(Math.min(maxLogWaitMs, shutdownDeadline - performance.now()), () => process.exit(code));
  }

  /** Stops serving: an uncaught error leaves the process in an unknown state. */
  function crash(err: unknown) {
    try {
      logger.fatal({ event: "gateway.crashed", err }, "gateway.crashed");
      exit(crashExitCode);
      void gateway?.close(0);
    } catch {
      process.exit(crashExitCode);
    }
  }

  process.on("uncaughtException", crash).on("unhandledRejection", crash);
  process.on("exit", () => output.flush());
  for (const { message, ...fields } of warnings) alwaysLogger.warn(fields, message);
  const contract = loadContract();
  const registry = createProcessRegistry(contract.document.info.version, process.versions.node);
  const started = await startGateway(settings, logger, { contract, registry });
  gateway = started;

  let isStopping = false;
  function stop(signal: NodeJS.Signals) {
    if (isStopping) process.exit(1);
    if (isExiting) return;
    isStopping = true;
    shutdownDeadline = performance.now() + settings.shutdownGraceMs - exitReserveMs;
    alwaysLogger.info({ event: "shutdown.started", signal }, "shutdown.started");
    output.flush();
    // The other signals come from a terminal: no load balancer needs a drain.
    const stopped = signal === "SIGTERM" ? started.drain() : started.close();
    void stopped.then(() => {
      alwaysLogger.info({ event: "gateway.stopped" }, "gateway.stopped");
      exit(0);
    });
  }
  process.on("SIGTERM", stop).on("SIGINT", stop).on("SIGHUP", stop);
  if (settings.apiTokens.length > 1)
    alwaysLogger.warn({ event: "previous_token.accepted" }, "previous_token.accepted");
  warnOfDefaultToken(settings, { logger: alwaysLogger, print: (text) => process.stderr.write(text) });
  collectGarbage();
  // Logged after the signal listeners are added: a reader of this line may send a signal.
  const { url, metricsUrl } = started;
  alwaysLogger.info({ event: "gateway.started", url, metrics_url: metricsUrl }, "gateway.started");
  output.flush();
}

await main().catch((error: unknown) => fail(startFailure(error)));
