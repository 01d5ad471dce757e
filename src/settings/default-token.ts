import { BlockList, isIP } from "node:net";
import { defaultToken, prefix } from "./settings.ts";
import type { Settings } from "./settings.ts";
import type { Logger } from "../telemetry/logger.ts";

const hourMs = 3_600_000;

/** Whether a host is this machine as only itself can reach it. */
function isLoopback(host: string): boolean {
  const loopback = new BlockList();
  loopback.addSubnet("127.0.0.0", 8);
  loopback.addAddress("::1", "ipv6");
  const family = isIP(host);
  return family === 0 ? host.toLowerCase() === "localhost" : loopback.check(host, `ipv${family as 4 | 6}`);
}

/** Where a warning goes: to the log again and again, to people once. */
export interface WarningOptions {
  readonly logger: Logger;
  readonly print: (text: string) => void;
  readonly everyMs?: number;
}

/**
 * Warns, now and every hour, of the default token where others than this machine can use it. Returns a function
 * that ends it.
 */
export function warnOfDefaultToken(
  { bind, apiTokens }: Pick<Settings, "bind" | "apiTokens">,
  { logger, print, everyMs = hourMs }: WarningOptions,
): () => void {
  if (!apiTokens.includes(defaultToken) || isLoopback(bind.host)) return () => undefined;
  const setting = apiTokens[0] === defaultToken ? "API_TOKEN" : "API_TOKEN_PREVIOUS";
  const lines = [
    `WARNING: a token of the administrator is the default one, ${defaultToken}.`,
    `Whoever can connect to ${bind.host} may do everything.`,
    `Set ${prefix}${setting} to a secret one.`,
  ];
  const width = Math.max(...lines.map((line) => line.length));
  const edge = `+${"-".repeat(width + 2)}+`;
  print([edge, ...lines.map((line) => `| ${line.padEnd(width)} |`), edge, ""].join("\n"));
  const event = "config.default_token";
  const log = () => logger.error({ event, host: bind.host }, event);
  log();
  const timer = setInterval(log, everyMs).unref();
  return () => clearInterval(timer);
}
