import { prettyFactory } from "pino-pretty";

/**
 * In a line of JSON, what moves the cursor, colours or reorders text once it is written as it is: escapes of control
 * characters, and those that JSON does not escape. An escaped backslash is no part of one.
 */
const controls = /\\(?:\\|u00[01][\da-f]|[bfr])|[\x7f-\x9f\p{Bidi_Control}]/giu;

/** The same, to be read as an escape. */
function visible(control: string): string {
  if (control === "\\\\") return control;
  if (control.startsWith("\\")) return `\\${control}`;
  return `\\\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * A function that makes a log line of JSON one that people read, with all that is in it. No control character
 * comes out raw, whatever clients and stores have sent, but for tabs, the ends of lines and the `colours`.
 */
export function createReadableLine(colours: boolean): (line: string) => string {
  const pretty = prettyFactory({
    colorize: colours,
    singleLine: true,
    translateTime: false,
    ignore: "event",
    messageFormat: ({ event, msg }) => (event === msg ? String(msg) : `${String(event)}: ${String(msg)}`),
  });
  return function readableLine(line) {
    return pretty(line.replace(controls, visible));
  };
}
