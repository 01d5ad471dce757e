import { pino } from "pino";
import type { DestinationStream, Logger } from "pino";

export type { Logger } from "pino";

/** Lines are written together once they make up a page of memory, or after this many milliseconds. */
const bufferedBytes = 4096;
const flushMs = 100;

/**
 * A logger that writes one JSON line per entry to `destination`, by default to stdout within 100 ms; `flush`
 * does so at once.
 */
export function createLogger(destination?: DestinationStream): Logger {
  return pino(
    {
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorToLog },
    },
    destination ?? bufferedStdout(),
  );
}

/** Stdout, written to a page at a time; a timer runs only while something waits. */
function bufferedStdout(): DestinationStream & { flush(): void } {
  const out = pino.destination({ dest: 1, sync: true, minLength: bufferedBytes });
  let timer: NodeJS.Timeout | undefined;

  function flush() {
    clearTimeout(timer);
    timer = undefined;
    // Not `flushSync`, which would try for ever to write to a pipe that nobody reads any more.
    out.flush();
  }

  return {
    write(line) {
      out.write(line);
      timer ??= setTimeout(flush, flushMs).unref();
    },
    flush,
  };
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
