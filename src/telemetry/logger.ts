import { pino } from "pino";
import type { DestinationStream, Level, Logger } from "pino";

export type { Level, Logger } from "pino";

/** A logger that writes one JSON line per entry of this `level` or a graver one to `destination`. */
export function createLogger(destination: DestinationStream, level: Level = "info"): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorToLog },
    },
    destination,
  );
}

/** The same logger for what is written whatever its level. */
export function regardlessOfLevel(logger: Logger): Logger {
  return logger.child({}, { level: "trace" });
}

/** How deep a chain of causes is followed. */
const maxCauses = 5;

/**
 * The loggable part of an error. Only these fields: parsers and SDKs hang request bodies, credentials and
 * whole responses on their errors.
 */
function errorToLog(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const code: unknown = "code" in error ? error.code : undefined;
  return {
    type: name,
    message,
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    stack,
    ...(cause !== undefined && depth < maxCauses ? { cause: errorToLog(cause, depth + 1) } : {}),
  };
}
