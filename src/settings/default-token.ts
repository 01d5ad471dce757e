import { BlockList, isIP } from "node:net";
import type { Logger } from "../telemetry/logger.ts";
import { defaultToken, prefix } from "./schema.ts";
import type { Settings } from "./settings.ts";

const hourMs = 3_600_000;

/** Whether `host` is a loopback address or the name of one. */
function isLoopback(host: string): boolean {
  const loopback = new BlockList();
  loopback.addSubnet("127.0.0.0", 8);
  loopback.addAddress("::1", "ipv6");
  const family = isIP(host);
  return family === 0 ? host.toLowerCase() === "localhost" : loopback.check(host, `ipv${family as 4 | 6}`);
}

interface WarningOptions {
  readonly logger: Logger;
  /** Called once, with a text for people. */
  readonly print: (text: string) => void;
  readonly intervalMs?: number;
}

/**
 * Logs an error, now and every hour, if the administrator's default token is accepted on an address that is not
 * loopback. Returns a function that stops it.
 */
export function warnOfDefaultToken(
  { bind, apiTokens }: Pick<Settings, "bind" | "apiTokens">,
  { logger, print, intervalMs = hourMs }: WarningOptions,
): () => void {
  if (!apiTokens.includes(defaultToken) || isLoopback(bind.host)) return () => undefined;
  const setting = apiTokens[0] === defaultToken ? "API_TOKEN" : "API_TOKEN_PREVIOUS";
  const lines = [
    `WARNING: the administrator's default token, ${defaultToken}, is accepted.`,
    `Anybody who can connect to ${bind.host} may do everything.`,
    `Set ${prefix}${setting} to a secret token.`,
  ];
  const width = Math.max(...lines.map((line) => line.length));
  const border = `+${"-".repeat(width + 2)}+`;
  print([border, ...lines.map((line) => `| ${line.padEnd(width)} |`), border, ""].join("\n"));
  const event = "default_token.accepted";
  const log = () => logger.error({ event, host: bind.host }, event);
  log();
  const timer = setInterval(log, intervalMs).unref();
  return () => clearInterval(timer);
}
