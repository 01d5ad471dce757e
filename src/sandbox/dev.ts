import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startChild, type Child } from "./dev-child.ts";
import { defaultBindAddr, gatewayEnvironment, gatewayPrefix, type Environment } from "./dev-environment.ts";
import { describeTakenPorts } from "./dev-ports.ts";
import { welcome } from "./dev-welcome.ts";
import { localUrl } from "./listen.ts";
import { parseAddress, parseSettings, SettingsError, settingPrefix } from "./settings.ts";
import { setWebhookUrl } from "./stripe/webhook-endpoint.ts";

/** The time after which a program that does not stop is killed, in milliseconds. */
const stopTimeoutMs = 5000;

/** The time in which the gateway must become ready, in milliseconds. */
const readyWithinMs = 15_000;

const bindAddrSetting = `${gatewayPrefix}BIND_ADDR`;
const webhookUrlSetting = `${settingPrefix}STRIPE_WEBHOOK_URL`;

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
  const { settings } = parseSettings(process.env);
  const takenPorts = await describeTakenPorts({
    [`${settingPrefix}ORCHESTRATOR_ADDR`]: settings.orchestratorAddr,
    [`${settingPrefix}OBJECT_STORE_ADDR`]: settings.s3 === undefined ? settings.objectStoreAddr : undefined,
    [`${settingPrefix}METRICS_ADDR`]: settings.metricsAddr,
    [`${settingPrefix}STRIPE_ADDR`]: settings.stripe.addr,
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
  const announcement = await sandbox.readUntil(
    /orchestrator (\S+).*\n.*object store (\S+)[^]*Stripe +(\S+)[^]*API key.*\n/,
  );
  if (announcement === undefined || isStopping()) return;
  const [, orchestrator = "", objectStore = "", stripe = ""] = announcement;

  // The gateway writes to a pipe, so it cannot see whether a terminal shows its log.
  const logFormat = process.stdout.isTTY ? "pretty" : "json";
  const urls = { orchestrator, objectStore, stripe };
  const gateway = run("gateway", "../main.ts", gatewayEnvironment(process.env, urls, settings, logFormat));
  const log = await gateway.readUntil(/gateway\.started\b.*"url":"([^"]+)".*\n/);
  if (log === undefined) return;
  const url = localUrl(log[1] ?? "");
  // Only now is its port known.
  if (!process.env[webhookUrlSetting])
    await setWebhookUrl(localUrl(stripe), `${url}/v1/billing/webhook`, stopping.signal).catch(
      (error: unknown) => {
        if (!isStopping()) throw error;
      },
    );
  const timeout = AbortSignal.timeout(readyWithinMs);
  isReady = await becomesReady(url, AbortSignal.any([stopping.signal, timeout]));

  if (isReady) process.stdout.write(`${welcome(url, settings)}${announcement.input}\n`);
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
