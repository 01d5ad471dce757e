import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startChild, type Child } from "./dev-child.ts";
import { describeTakenPorts } from "./dev-ports.ts";
import { welcome } from "./dev-welcome.ts";
import { localUrl } from "./listen.ts";
import { parseAddress, parseSettings, SettingsError, settingPrefix, type S3Settings } from "./settings.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The time after which a program that does not stop is killed, in milliseconds. */
const stopTimeoutMs = 5000;

/** The time in which the gateway must become ready, in milliseconds. */
const readyWithinMs = 15_000;

/** The address that the gateway listens on by default. */
const defaultBindAddr = "127.0.0.1:8080";

const gatewayPrefix = "FOLDFORGE_GATEWAY__";
const bindAddrSetting = `${gatewayPrefix}BIND_ADDR`;

/** The environment of the gateway: that of this process, and defaults for the sandbox. */
function gatewayEnvironment(
  orchestratorUrl: string,
  objectStoreUrl: string,
  s3: S3Settings | undefined,
): Environment {
  const defaults = {
    BIND_ADDR: defaultBindAddr,
    API_KEYS_ENABLED: "true",
    ORCHESTRATOR_ENDPOINT: localUrl(orchestratorUrl),
    R2_ENDPOINT: localUrl(objectStoreUrl),
    R2_REGION: s3?.region,
    R2_BUCKET: s3?.bucket,
    R2_ACCESS_KEY_ID: s3?.accessKeyId ?? "sandbox",
    R2_SECRET_ACCESS_KEY: s3?.secretAccessKey ?? "sandbox",
    // The gateway writes to a pipe, so it cannot see whether a terminal shows its log.
    LOG_FORMAT: process.stdout.isTTY ? "pretty" : "json",
    // There is no load balancer that would have to notice.
    DRAIN_DELAY_SECONDS: "0",
    // Less than the timeout above, so that the gateway ends by itself.
    SHUTDOWN_GRACE_SECONDS: "3",
  };
  const env: Record<string, string | undefined> = { ...process.env };
  for (const [name, value] of Object.entries(defaults)) {
    const setting = gatewayPrefix + name;
    if (!env[`${setting}_FILE`]) env[setting] ||= value;
  }
  return env;
}

/** Resolves to true when the gateway is ready, to false when `signal` aborts before. */
async function becomesReady(url: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const response = await fetch(`${url}/v1/readyz`, { signal }).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok === true) return true;
    await delay(100, undefined, { signal }).catch(() => undefined);
  }
  return false;
}

/** Runs sandbox and gateway until a signal stops them, or until one of them ends. */
async function main(): Promise<void> {
  const {
    apiKeys: [firstKey],
    s3,
    orchestratorAddr,
    objectStoreAddr,
    metricsAddr,
    stripe,
  } = parseSettings(process.env).settings;
  const takenPorts = await describeTakenPorts({
    [`${settingPrefix}ORCHESTRATOR_ADDR`]: orchestratorAddr,
    [`${settingPrefix}OBJECT_STORE_ADDR`]: s3 === undefined ? objectStoreAddr : undefined,
    [`${settingPrefix}METRICS_ADDR`]: metricsAddr,
    [`${settingPrefix}STRIPE_ADDR`]: stripe.addr,
    [bindAddrSetting]: parseAddress(process.env[bindAddrSetting] || defaultBindAddr),
  });
  if (takenPorts !== undefined) {
    console.error(`dev: ${takenPorts}`);
    process.exitCode = 1;
    return;
  }
  const children: Child[] = [];
  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;
  let isReady = false;

  async function stop() {
    stopping.abort();
    // The gateway first, so that it logs no lost sandbox.
    for (const child of children.toReversed()) await child.stop();
  }

  async function fail(message?: string) {
    if (message !== undefined) console.error(`dev: ${message}`);
    process.exitCode = 1;
    await stop();
  }

  function onSignal() {
    if (!isStopping()) return void stop();
    for (const child of children) child.kill();
    process.exit(1);
  }

  function run(name: string, file: string, env: Environment): Child {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const child = startChild({ execPath: process.execPath, file: path, env, stopTimeoutMs });
    children.push(child);
    void child.ended.then(({ code, how }) => {
      if (isStopping()) return;
      // A program that cannot start has printed the reason.
      const hasPrintedReason = !isReady && code === 1;
      void fail(hasPrintedReason ? undefined : `the ${name} has ended (${how}), so everything is stopped`);
    });
    return child;
  }

  process.on("SIGINT", onSignal).on("SIGTERM", onSignal).on("SIGHUP", onSignal);
  // The reader of the output has gone, as with `| head`.
  process.stdout.on("error", () => void stop());

  const sandbox = run("sandbox", "./main.ts", process.env);
  const announcement = await sandbox.readUntil(/orchestrator (\S+).*\n.*object store (\S+)[^]*API key.*\n/);
  if (announcement === undefined || isStopping()) return;
  const [, orchestratorUrl = "", objectStoreUrl = ""] = announcement;

  const gateway = run("gateway", "../main.ts", gatewayEnvironment(orchestratorUrl, objectStoreUrl, s3));
  const log = await gateway.readUntil(/gateway\.started\b.*"url":"([^"]+)".*\n/);
  if (log === undefined) return;
  const url = localUrl(log[1] ?? "");
  const timeout = AbortSignal.timeout(readyWithinMs);
  isReady = await becomesReady(url, AbortSignal.any([stopping.signal, timeout]));

  if (isReady) process.stdout.write(`${welcome(url, firstKey?.key ?? "")}${announcement.input}\n`);
  process.stdout.write(log.input);
  for (const child of [gateway, sandbox]) child.stdout.pipe(process.stdout);
  if (!isReady && !isStopping())
    await fail(`the gateway at ${url} is not ready after ${readyWithinMs / 1000} seconds; its log says why`);
}

await main().catch((error: unknown) => {
  console.error("dev:", error instanceof SettingsError ? error.message : error);
  // The programs that were started end with this process.
  process.exit(1);
});
