import { z } from "zod";

/** The prefix of every setting. */
export const settingPrefix = "FOLDFORGE_SANDBOX__";

/** The address that a server listens on; port 0 lets the system choose. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * An API key; `limit` submissions per `windowSeconds`, 0 meaning unlimited. Its principal starts with `credits`;
 * undefined for the opening credits of everybody.
 */
export interface ApiKeySetting {
  readonly principal: string;
  readonly key: string;
  readonly limit: number;
  readonly windowSeconds: number;
  readonly credits?: bigint | undefined;
}

/** A bucket of an S3 server. */
export interface S3Settings {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The server that stands in for Stripe. */
export interface StripeSettings {
  readonly addr: Address;
  /** Where events are sent until a client sets another URL. */
  readonly webhookUrl: string;
  readonly webhookSecret: string;
}

/** The settings of the sandbox. */
export interface SandboxSettings {
  readonly orchestratorAddr: Address;
  readonly objectStoreAddr: Address;
  readonly metricsAddr: Address;
  readonly stripe: StripeSettings;
  readonly apiKeys: readonly ApiKeySetting[];
  /** The duration of a step. */
  readonly stepSeconds: number;
  /** What each step of a workflow costs its principal, in credits. */
  readonly pricePerStep: bigint;
  /** The credits that a principal starts with unless its key says otherwise. */
  readonly openingCredits: bigint;
  /** The server that stores artifacts; undefined when the sandbox stores them itself. */
  readonly s3: S3Settings | undefined;
}

/** Its message lists every invalid setting of the environment. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

const address = z
  .string()
  .regex(/^([^\s:[\]]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/, "must be host:port")
  .transform((text): Address => {
    const colon = text.lastIndexOf(":");
    return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
  })
  .refine(({ port }) => port <= 65535, "must have a port of at most 65535");

/** An address in the form of a setting; undefined if it is not valid. */
export function parseAddress(text: string): Address | undefined {
  return address.safeParse(text).data;
}

const apiKey = /^([\w.@-]+):([\w.~+/=@!-]+)(?::(\d{1,9})(?::([1-9]\d{0,8})(?::(\d{1,12}))?)?)?$/;

function parseApiKey(entry: string): ApiKeySetting | undefined {
  const [, principal, key, limit = "0", windowSeconds = "3600", credits] = apiKey.exec(entry) ?? [];
  if (principal === undefined || key === undefined) return undefined;
  return {
    principal,
    key,
    limit: Number(limit),
    windowSeconds: Number(windowSeconds),
    credits: credits === undefined ? undefined : BigInt(credits),
  };
}

// A message has the number of an entry and not its text, which contains a key.
const apiKeys = z.string().transform((text, context): readonly ApiKeySetting[] => {
  const entries = text.split(",").map((entry) => parseApiKey(entry.trim()));
  entries.forEach((entry, i) => {
    if (entry === undefined)
      context.addIssue(`entry ${i + 1} must be principal:key[:limit[:window_seconds[:credits]]]`);
    else if (entries.findIndex((other) => other?.key === entry.key) < i)
      context.addIssue(`entry ${i + 1} repeats the key of an earlier entry`);
  });
  return entries.filter((entry) => entry !== undefined);
});

const seconds = z
  .string()
  .regex(/^\d{1,5}(\.\d{1,6})?$/, "must be a number of seconds such as 2 or 0.5")
  .transform(Number);

const credits = z
  .string()
  .regex(/^\d{1,12}$/, "must be a whole number of credits")
  .transform(BigInt);

/** The default keys: one without a limit, one with a small one, and one with few credits. */
export const demoApiKeys =
  "demo:ff-demo-key,demo-small:ff-small-key:3:3600,demo-buyer:ff-buyer-key:0:3600:20";

const webUrl = z.url({ protocol: /^https?$/, error: "must be an http:// or https:// URL" });

const schema = z
  .object({
    ORCHESTRATOR_ADDR: address.prefault("127.0.0.1:50051"),
    OBJECT_STORE_ADDR: address.prefault("127.0.0.1:9000"),
    METRICS_ADDR: address.prefault("127.0.0.1:9465"),
    API_KEYS: apiKeys.prefault(demoApiKeys),
    STEP_SECONDS: seconds.prefault("2"),
    PRICE_PER_STEP: credits.prefault("10"),
    OPENING_CREDITS: credits.prefault("100000"),
    STRIPE_ADDR: address.prefault("127.0.0.1:12111"),
    STRIPE_WEBHOOK_URL: webUrl.prefault("http://127.0.0.1:8080/v1/billing/webhook"),
    STRIPE_WEBHOOK_SECRET: z
      .string()
      .regex(/^whsec_[\w+/=]+$/, "must be whsec_ and what follows")
      .prefault("whsec_sandbox"),
    S3_ENDPOINT: webUrl.optional(),
    S3_REGION: z.string().prefault("auto"),
    S3_BUCKET: z.string().prefault("foldforge"),
    S3_ACCESS_KEY_ID: z.string().prefault(""),
    S3_SECRET_ACCESS_KEY: z.string().prefault(""),
  })
  .superRefine((values, context) => {
    if (values.S3_ENDPOINT === undefined) return;
    for (const name of ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"] as const)
      if (values[name] === "")
        context.addIssue({ code: "custom", path: [name], message: "must be set, since S3_ENDPOINT is" });
  });

/**
 * Parses the settings, and lists unknown names that have the prefix. An empty value counts as unset.
 * Throws a SettingsError.
 */
export function parseSettings(environment: Readonly<Record<string, string | undefined>>): {
  readonly settings: SandboxSettings;
  readonly unknownNames: readonly string[];
} {
  const given = Object.entries(environment)
    .filter(([name, value]) => name.startsWith(settingPrefix) && value !== undefined && value !== "")
    .map(([name, value]) => [name.slice(settingPrefix.length), value] as const);
  const { data, error } = schema.safeParse(Object.fromEntries(given));
  if (error !== undefined) {
    const messages = error.issues.map(
      ({ path, message }) => `  ${settingPrefix}${path.join(".")}: ${message}`,
    );
    throw new SettingsError(["these settings are wrong:", ...messages].join("\n"));
  }
  return {
    settings: {
      orchestratorAddr: data.ORCHESTRATOR_ADDR,
      objectStoreAddr: data.OBJECT_STORE_ADDR,
      metricsAddr: data.METRICS_ADDR,
      stripe: {
        addr: data.STRIPE_ADDR,
        webhookUrl: data.STRIPE_WEBHOOK_URL,
        webhookSecret: data.STRIPE_WEBHOOK_SECRET,
      },
      apiKeys: data.API_KEYS,
      stepSeconds: data.STEP_SECONDS,
      pricePerStep: data.PRICE_PER_STEP,
      openingCredits: data.OPENING_CREDITS,
      s3:
        data.S3_ENDPOINT === undefined
          ? undefined
          : {
              endpoint: data.S3_ENDPOINT,
              region: data.S3_REGION,
              bucket: data.S3_BUCKET,
              accessKeyId: data.S3_ACCESS_KEY_ID,
              secretAccessKey: data.S3_SECRET_ACCESS_KEY,
            },
    },
    unknownNames: given
      .map(([name]) => name)
      .filter((name) => !Object.hasOwn(schema.shape, name))
      .map((name) => settingPrefix + name),
  };
}
