import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { outcomeOfFailure } from "../../src/artifacts/download-outcome.ts";
import { parseSha256, IntegrityError } from "../../src/artifacts/integrity.ts";
import { httpErrorFromS3 } from "../../src/artifacts/s3-errors.ts";
import { internalError, HttpError } from "../../src/errors/http-error.ts";

const { signal } = new AbortController();

/** What `digestOf` throws. */
function brokenPromise(): unknown {
  try {
    return parseSha256("no digest");
  } catch (error) {
    return error;
  }
}

const failures: [what: string, error: unknown, outcome: string][] = [
  [
    "another range than there is",
    new HttpError(Code.OutOfRange, "", { status: 416 }),
    "range_not_satisfiable",
  ],
  [
    "another file than If-Match names",
    new HttpError(Code.FailedPrecondition, "", { status: 412 }),
    "precondition_failed",
  ],
  ["a missing file", new HttpError(Code.NotFound, ""), "not_found"],
  ["a refusal for want of a place", new HttpError(Code.Unavailable, "too many"), "refused"],
  ["bytes that are not the promised ones", internalError(new IntegrityError("other bytes")), "mismatch"],
  ["metadata without a SHA-256 where there should be one", brokenPromise(), "mismatch"],
  ["a store that is not reached", httpErrorFromS3(new Error("refused"), "id"), "store_failed"],
  [
    "a store that answers an error",
    httpErrorFromS3(Object.assign(new Error(), { $metadata: { httpStatusCode: 403 } }), "id"),
    "store_failed",
  ],
  ["an orchestrator that fails", new ConnectError("down", Code.Unavailable), "failed"],
  ["anything else", new TypeError("a slip"), "failed"],
];

describe("outcomeOfFailure", () => {
  for (const [what, error, outcome] of failures)
    it(`is ${outcome} for ${what}`, () => assert.equal(outcomeOfFailure(error, signal), outcome));

  it("is aborted whatever the error, once the client has gone", () => {
    for (const [, error] of failures) assert.equal(outcomeOfFailure(error, AbortSignal.abort()), "aborted");
  });
});
