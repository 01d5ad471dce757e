import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import { limitLength, readBytes, requireJson } from "./body.ts";
import type { Middleware, SignedLocals } from "./stages.ts";

/** The maximum size of a signed body, in bytes. Each is in memory as a whole before its sender is known. */
const maxBytes = 256 * 1024;

/** The maximum number of signed bodies that are read at the same time. */
const maxReading = 32;

/**
 * Reads a JSON body into `res.locals.bytes`, unparsed: its signature is over the bytes. Anybody may send one, and slowly.
 * If too many are read at the same time, the one that takes longest gets 408, so that a body that arrives at once is never
 * kept out.
 */
export function signedBody(): readonly Middleware<SignedLocals>[] {
  return [requireJson, limitLength(maxBytes), readSigned()];
}

function readSigned(): Middleware<SignedLocals> {
  // In the order of their begin.
  const reading = new Set<() => void>();

  return async function readSigned(req, res, next) {
    const { promise: abandoned, reject } = Promise.withResolvers<never>();
    function abandon() {
      reading.delete(abandon);
      reject(tooSlow());
    }
    const [abandonOldest] = reading;
    if (reading.size >= maxReading) abandonOldest?.();
    reading.add(abandon);
    res.once("close", () => reading.delete(abandon));
    // The client waits for this before it sends the body (RFC 9110 §10.1.1).
    if (req.get("expect") !== undefined && req.httpVersion === "1.1") res.writeContinue();
    try {
      res.locals.bytes = await Promise.race([readBytes(req, maxBytes, () => Promise.resolve()), abandoned]);
    } finally {
      reading.delete(abandon);
    }
    next();
  };
}

/** No 5xx: whoever sends such a body must not be able to raise the alert about these. */
function tooSlow(): HttpError {
  return new HttpError(Code.InvalidArgument, "the body was not complete in time: others are waiting", {
    status: 408,
  });
}
