import { ListenError } from "./listen.ts";
import { parseSettings, SettingsError, type ApiKeySetting, type SandboxSettings } from "./settings.ts";
import { startSandbox, type Sandbox } from "./start-sandbox.ts";

function describeKey({ principal, key, limit, windowSeconds, credits }: ApiKeySetting): string {
  const quota = limit === 0 ? "unlimited" : `${limit} submissions per ${windowSeconds} s`;
  return `  API key      ${key} (principal ${principal}, ${quota}${credits === undefined ? "" : `, ${credits} credits`})`;
}

function printStart(sandbox: Sandbox, { apiKeys, s3 }: SandboxSettings): void {
  const remark = s3 === undefined ? "checks no signatures" : "what is written there stays";
  const lines = [
    "FoldForge sandbox, for one machine: all is in memory or in a temporary folder, and gone at exit.",
    `  orchestrator ${sandbox.orchestratorUrl} (gRPC)`,
    `  object store ${sandbox.objectStoreUrl} (S3, bucket ${sandbox.bucket}; ${remark})`,
    `  metrics      ${sandbox.metricsUrl}/metrics (of the orchestrator, for Prometheus)`,
    `  Stripe       ${sandbox.stripeUrl} (Checkout in test mode; no money moves)`,
    ...apiKeys.map(describeKey),
  ];
  console.log(lines.join("\n"));
}

async function main(): Promise<void> {
  const { settings, unknownNames } = parseSettings(process.env);
  for (const name of unknownNames) console.warn(`sandbox: ${name} is not a setting and has no effect`);
  const starting = startSandbox(settings);
  // `printStart` below reports a start that fails.
  const stop = () =>
    void starting.then(
      (sandbox) => sandbox.close(),
      () => undefined,
    );
  process.once("SIGINT", stop).once("SIGTERM", stop);
  printStart(await starting, settings);
}

main().catch((error: unknown) => {
  const isExpected = error instanceof SettingsError || error instanceof ListenError;
  console.error("sandbox:", isExpected ? error.message : error);
  process.exitCode = 1;
});
