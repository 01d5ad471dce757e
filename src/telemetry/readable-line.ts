import { prettyFactory } from "pino-pretty";

/**
 * The control characters in a line of JSON: they move the cursor, set colours or reorder text on a terminal. Most are
 * escaped in JSON, some are not. An escaped backslash is matched so that it does not count as the start of an escape.
 */
const controls = /\\(?:\\|u00[01][\da-f]|[bfr])|[\x7f-\x9f\p{Bidi_Control}]/giu;

/** The control character as a visible escape. */
function visible(control: string): string {
  if (control === "\\\\") return control;
  if (control.startsWith("\\")) return `\\${control}`;
  return `\\\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * Creates a function that formats a log line of JSON for people, with all of its fields. Control characters, which may
 * come from clients and stores, become visible escapes, except for tabs and line ends; `colors` adds the terminal's own.
 */
export function createReadableLine(colors: boolean): (line: string) => string {
  const pretty = prettyFactory({
    colorize: colors,
    singleLine: true,
    translateTime: false,
    ignore: "event",
    messageFormat: ({ event, msg }) => (event === msg ? String(msg) : `${String(event)}: ${String(msg)}`),
  });
  return function readableLine(line) {
    return pretty(line.replace(controls, visible));
  };
}
