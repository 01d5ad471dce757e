import { isIP } from "node:net";
import { z } from "zod";

/** A number in decimal notation: `0x10` and `1e3` are probably mistakes. */
const decimal = (message: string, number: z.ZodNumber) =>
  z
    .string()
    .regex(/^-?\d+(\.\d+)?$/, message)
    .transform(Number)
    .pipe(number);

/** A time in seconds, of at least `minimum`. The result is in whole milliseconds. */
export const secondsFrom = (minimum: number) =>
  decimal(
    "must be a number of seconds",
    z.number().min(minimum, `must be at least ${minimum}`).max(86_400, "must be at most 86400"),
  ).transform((value) => Math.round(value * 1000));

/** A time of at least a millisecond. */
export const seconds = secondsFrom(0.001);

export const boolean = z.stringbool({ error: "must be true or false" });

/** A maximum number of things. */
export const count = decimal(
  "must be a number",
  z
    .number()
    .int("must be a whole number")
    .min(1, "must be at least 1")
    .max(1_000_000, "must be at most 1000000"),
);

/** An amount of memory, from 64 KiB to `maximum`. */
export const bytesUpTo = (maximum: number) =>
  decimal(
    "must be a number of bytes",
    z
      .number()
      .int("must be a whole number")
      .min(65_536, "must be at least 65536")
      .max(maximum, `must be at most ${maximum}`),
  );

/** An amount of memory, from 64 KiB to 64 GiB. */
export const bytes = bytesUpTo(2 ** 36);

/** A share, above 0 and at most 1. */
export const fraction = decimal(
  "must be a number",
  z.number().gt(0, "must be above 0").max(1, "must be at most 1"),
);

/** Whether `text` is an http:// or https:// URL without user, query or fragment. */
function isHttpUrl(text: string): boolean {
  const { protocol = "", username, password, search, hash } = URL.parse(text) ?? {};
  return /^https?:$/.test(protocol) && [username, password, search, hash].every((part) => part === "");
}

export const httpUrl = z
  .string()
  .refine(isHttpUrl, "must be an http:// or https:// URL without user, query or fragment");

/** URLs that are separated by commas. Calls use any of them and the same path, so that they differ only in host and port. */
export const endpointList = z.string().transform((text, context) => {
  const endpoints = text.split(",").map((endpoint) => endpoint.trim());
  const kinds = new Set(
    endpoints.map((endpoint) => URL.parse(endpoint)).map((url) => url && url.protocol + url.pathname),
  );
  if (!endpoints.every(isHttpUrl)) {
    const message = "must be http:// or https:// URLs without user, query or fragment, separated by commas";
    context.addIssue({ code: "custom", message });
  } else if (kinds.size > 1) {
    context.addIssue({ code: "custom", message: "must be URLs of one scheme and one path" });
  }
  return endpoints;
});

/** An address to listen on. */
export const bindAddress = z.string().transform((text, context) => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    context.addIssue({ code: "custom", message: "must be host:port, such as 0.0.0.0:8080 or [::]:8080" });
    return z.NEVER;
  }
  return { host: match[1] ?? match[2] ?? "", port };
});

/** An origin exactly as browsers send it: lower case, without a path and without the default port of the scheme. */
function isOrigin(text: string): boolean {
  return /^https?:[^*]+$/.test(text) && URL.parse(text)?.origin === text;
}

/** `*` or origins, separated by commas. */
export const originList = z.string().transform((text, context): readonly string[] | "*" => {
  const origins = text.split(",").map((origin) => origin.trim());
  if (origins.length === 1 && origins[0] === "*") return "*";
  if (!origins.every(isOrigin)) {
    const message =
      "must be * or origins without a path, separated by commas, such as https://app.example,http://localhost:3000";
    context.addIssue({ code: "custom", message });
  }
  return origins;
});

/** Addresses with the same first `prefix` bits. */
interface Subnet {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

/** Names of subnets: of the machine itself, and of private networks (RFC 1918, RFC 4193). */
const namedSubnets: ReadonlyMap<string, readonly string[]> = new Map([
  ["loopback", ["127.0.0.0/8", "::1"]],
  ["private", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]],
]);

/** An address is a subnet of its own. Undefined for IPv4 in IPv6: such addresses count as IPv4. */
function parseSubnet(text: string): Subnet | undefined {
  const [, address = "", bits] = /^((?!::ffff:)[\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const version = isIP(address);
  const maxPrefix = version === 4 ? 32 : 128;
  const prefix = Number(bits ?? maxPrefix);
  if (version === 0 || prefix > maxPrefix) return undefined;
  return { address, prefix, family: version === 4 ? "ipv4" : "ipv6" };
}

/** Addresses, CIDRs, and names of subnets, separated by commas. */
export const subnetList = z.string().transform((text, context): readonly Subnet[] => {
  const entries = text.split(",").flatMap((entry) => namedSubnets.get(entry.trim()) ?? entry.trim());
  const subnets = entries.map(parseSubnet).filter((subnet) => subnet !== undefined);
  if (subnets.length < entries.length) {
    const message =
      "must be IP addresses, CIDRs, loopback or private, separated by commas, such as private,203.0.113.7";
    context.addIssue({ code: "custom", message });
  }
  return subnets;
});

/**
 * One bearer token. Tokens have no comma (RFC 6750 §2.1): a comma means that a list was intended. `advice` is the end
 * of the message for that case.
 */
export const bearerToken = (advice = "") =>
  z.string().regex(/^[!-+\--~]+$/, `must be one token: printable ASCII without spaces or commas${advice}`);

/**
 * A credential of the object store. U+FFFD is what a file that is not UTF-8 is decoded to; a byte order mark comes from
 * an editor.
 */
export const credential = z
  .string()
  .regex(
    /^[^\p{Cc}\uFEFF\uFFFD]*$/u,
    "must be one line of UTF-8 without control characters or a byte order mark",
  );

/** One of these words. */
export const oneOf = <T extends string>(...words: readonly [T, ...T[]]) =>
  z.enum(words, { error: `must be one of ${words.join(", ")}` });

/** The name of a bucket, as used in URLs. */
export const bucketName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "must be the name of a bucket: letters, digits and ._-");

/** The origin of a server. */
export const apiOrigin = httpUrl.refine(
  (text) => URL.parse(text)?.pathname === "/",
  "must be an http:// or https:// URL without a path",
);

/** A secret or restricted key of Stripe's API, for live or for test mode. */
export const stripeKey = z
  .string()
  .regex(
    /^[sr]k_(live|test)_[!-~]+$/,
    "must be a secret key of Stripe: sk_ or rk_, live_ or test_, and what follows",
  );

/** Whether payments with a key of Stripe are real. */
export function isLiveKey(key: string): boolean {
  return /^[sr]k_live_/.test(key);
}

/** The secret of a webhook endpoint of Stripe. */
export const webhookSecret = z
  .string()
  .regex(/^whsec_[!-~]+$/, "must be the signing secret of a webhook: whsec_ and what follows");

/**
 * The currencies in which Stripe takes no hundredths (https://docs.stripe.com/currencies): without decimals, with three,
 * and, on the last line, with two of which only whole units are taken. Intl does not know the latter, and loads 6 MiB.
 */
const withoutHundredths: ReadonlySet<string> = new Set([
  ..."bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" "),
  ..."bhd iqd jod kwd lyd omr tnd".split(" "),
  ..."huf isk twd ugx".split(" "),
]);

/** A currency whose unit has a hundredth, so that a credit is one: its ISO 4217 code, as Stripe writes it. */
export const currency = z
  .string()
  .toLowerCase()
  .refine(
    (code) => /^[a-z]{3}$/.test(code) && !withoutHundredths.has(code),
    "must be the code of a currency that has a hundredth, such as usd",
  );

/** An amount of credits; 0 is free of charge. */
export const price = decimal(
  "must be a number of credits",
  z
    .number()
    .int("must be a whole number")
    .min(0, "must be at least 0")
    .max(1_000_000, "must be at most 1000000"),
);
