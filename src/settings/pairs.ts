import { validateHeaderName, validateHeaderValue } from "node:http";
import { z } from "zod";

function readPair(text: string): [name: string, value: string] {
  const [, name = "", value = ""] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  return [decodeURIComponent(name.trim()), decodeURIComponent(value.trim())];
}

/** `check` throws for a pair that will not do. */
const pairs = (check: (name: string, value: string) => void, message: string) =>
  z.string().transform((text, context) => {
    try {
      const read = text.split(",").flatMap((pair) => (pair.trim() === "" ? [] : [readPair(pair)]));
      for (const pair of read) check(...pair);
      return Object.fromEntries(read);
    } catch {
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
  });

/** Headers as OpenTelemetry's variables hold them: `name=value`, separated by commas, percent-encoded. */
export const headerPairs = pairs((name, value) => {
  validateHeaderName(name);
  validateHeaderValue(name, value);
}, "must be name=value pairs of headers, separated by commas, with percent-encoded values");

/** Attributes, written in the same way. */
export const attributePairs = pairs((name) => {
  if (name === "") throw new Error("an attribute without a name");
}, "must be name=value pairs, separated by commas, with percent-encoded values");
