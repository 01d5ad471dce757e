import { pino } from "pino";
import type { DestinationStream, Level, Logger } from "pino";

export type { Level, Logger } from "pino";

/** Creates a logger that writes JSON lines to `destination`; `level` is the minimum log level. */
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

/** The same logger without a minimum log level. */
export function withoutMinimumLevel(logger: Logger): Logger {
  return logger.child({}, { level: "trace" });
}

/** The maximum number of causes of an error that are logged. */
const maxCauses = 5;

/**
 * The fields of an error that are logged, and no others: parsers and SDKs attach request bodies, credentials and whole
 * responses to their errors.
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
