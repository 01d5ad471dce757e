import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { codeMeaning } from "../../src/errors/codes.ts";

/** Status, name and `retryable` for every code that gRPC defines. */
const table = [
  [Code.Canceled, "INTERNAL", 500, false],
  [Code.Unknown, "INTERNAL", 500, false],
  [Code.InvalidArgument, "INVALID_ARGUMENT", 400, false],
  [Code.DeadlineExceeded, "DEADLINE_EXCEEDED", 504, "when-idempotent"],
  [Code.NotFound, "NOT_FOUND", 404, false],
  [Code.AlreadyExists, "ALREADY_EXISTS", 409, false],
  [Code.PermissionDenied, "PERMISSION_DENIED", 403, false],
  [Code.ResourceExhausted, "RESOURCE_EXHAUSTED", 429, true],
  [Code.FailedPrecondition, "FAILED_PRECONDITION", 400, false],
  [Code.Aborted, "ABORTED", 409, true],
  [Code.OutOfRange, "OUT_OF_RANGE", 400, false],
  [Code.Unimplemented, "UNIMPLEMENTED", 501, false],
  [Code.Internal, "INTERNAL", 500, false],
  [Code.Unavailable, "UNAVAILABLE", 503, true],
  [Code.DataLoss, "INTERNAL", 500, false],
  [Code.Unauthenticated, "UNAUTHENTICATED", 401, false],
] as const;

describe("codeMeaning", () => {
  for (const [code, name, status, retryable] of table)
    it(`maps ${Code[code]} to ${status} ${name}`, () => {
      const meaning = codeMeaning(code);
      assert.deepEqual([meaning.name, meaning.status, meaning.retryable], [name, status, retryable]);
      assert.equal(meaning.retryAfterSeconds !== undefined, status === 429 || status === 503);
    });

  it("covers all sixteen codes", () => {
    const codes = Object.values(Code).filter((code) => typeof code === "number");
    assert.deepEqual(
      table.map(([code]) => code),
      codes,
    );
  });

  const unknown: Code[] = JSON.parse("[0, 17, 99, -1]");
  for (const code of unknown)
    it(`maps the undefined code ${code} to the meaning of Internal`, () => {
      assert.deepEqual(codeMeaning(code), codeMeaning(Code.Internal));
    });
});
