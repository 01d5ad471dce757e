import { localUrl } from "./listen.ts";
import type { SandboxSettings } from "./settings.ts";

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The prefix of the gateway's settings. */
export const gatewayPrefix = "FOLDFORGE_GATEWAY__";

/** The address that the gateway listens on by default. */
export const defaultBindAddr = "127.0.0.1:8080";

/** Where the servers of the sandbox listen. */
export interface SandboxUrls {
  readonly orchestrator: string;
  readonly objectStore: string;
  readonly stripe: string;
}

/** The environment of the gateway: `env`, and defaults for the sandbox. */
export function gatewayEnvironment(
  env: Environment,
  urls: SandboxUrls,
  { s3, stripe, pricePerStep }: SandboxSettings,
  logFormat: "pretty" | "json",
): Environment {
  const defaults = {
    BIND_ADDR: defaultBindAddr,
    API_KEYS_ENABLED: "true",
    ORCHESTRATOR_ENDPOINT: localUrl(urls.orchestrator),
    R2_ENDPOINT: localUrl(urls.objectStore),
    R2_REGION: s3?.region,
    R2_BUCKET: s3?.bucket,
    R2_ACCESS_KEY_ID: s3?.accessKeyId ?? "sandbox",
    R2_SECRET_ACCESS_KEY: s3?.secretAccessKey ?? "sandbox",
    PRICE_PER_STEP: String(pricePerStep),
    LOG_FORMAT: logFormat,
    // There is no load balancer that would have to notice.
    DRAIN_DELAY_SECONDS: "0",
    // Less than the time after which it is killed, so that it ends by itself.
    SHUTDOWN_GRACE_SECONDS: "3",
  };
  const stripeDefaults = {
    STRIPE_SECRET_KEY: "sk_test_sandbox",
    STRIPE_WEBHOOK_SECRET: stripe.webhookSecret,
    STRIPE_ENDPOINT: localUrl(urls.stripe),
  };
  const isGiven = (name: string) => Boolean(env[gatewayPrefix + name] || env[`${gatewayPrefix + name}_FILE`]);
  // These belong together: a key of Stripe's own is for Stripe.
  const hasOwnStripe = Object.keys(stripeDefaults).some(isGiven);
  const missing = Object.entries({ ...defaults, ...(hasOwnStripe ? {} : stripeDefaults) })
    .filter(([name]) => !isGiven(name))
    .map(([name, value]) => [gatewayPrefix + name, value] as const);
  return { ...env, ...Object.fromEntries(missing) };
}
