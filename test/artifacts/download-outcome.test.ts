import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { outcomeOfFailure } from "../../src/artifacts/download-outcome.ts";
import { parseSha256, IntegrityError } from "../../src/artifacts/integrity.ts";
import { httpErrorFromS3 } from "../../src/artifacts/s3-errors.ts";
import { internalError, HttpError } from "../../src/errors/http-error.ts";

const { signal } = new AbortController();

/** The error that `parseSha256` throws. */
function invalidSha256(): unknown {
  try {
    return parseSha256("no digest");
  } catch (error) {
    return error;
  }
}

const failures: [what: string, error: unknown, outcome: string][] = [
  ["a range beyond the end", new HttpError(Code.OutOfRange, "", { status: 416 }), "range_not_satisfiable"],
  [
    "an ETag that If-Match does not name",
    new HttpError(Code.FailedPrecondition, "", { status: 412 }),
    "precondition_failed",
  ],
  ["a missing file", new HttpError(Code.NotFound, ""), "not_found"],
  ["a download above the limit", new HttpError(Code.Unavailable, "too many"), "rejected"],
  ["bytes that differ from the metadata", internalError(new IntegrityError("other bytes")), "mismatch"],
  ["an invalid SHA-256 in the metadata", invalidSha256(), "mismatch"],
  ["a store that cannot be reached", httpErrorFromS3(new Error("refused"), "id"), "store_failed"],
  [
    "an error response of the store",
    httpErrorFromS3(Object.assign(new Error(), { $metadata: { httpStatusCode: 403 } }), "id"),
    "store_failed",
  ],
  ["an error of the orchestrator", new ConnectError("down", Code.Unavailable), "failed"],
  ["anything else", new TypeError("a bug"), "failed"],
];

describe("outcomeOfFailure", () => {
  for (const [what, error, outcome] of failures)
    it(`returns ${outcome} for ${what}`, () => assert.equal(outcomeOfFailure(error, signal), outcome));

  it("returns aborted for any error after the client has disconnected", () => {
    for (const [, error] of failures) assert.equal(outcomeOfFailure(error, AbortSignal.abort()), "aborted");
  });
});
