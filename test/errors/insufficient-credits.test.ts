import assert from "node:assert/strict";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorResponse } from "../../src/errors/error-response.ts";
import { rethrowSubmitError } from "../../src/errors/insufficient-credits.ts";

const message = "not enough credits: this workflow costs 30, and the balance is 12";

/** An error with a detail. */
function detailed(code: Code, type: string, value: Uint8Array): ConnectError {
  const error = new ConnectError(message, code);
  error.details = [
    { type: "google.rpc.Help", value: new Uint8Array([10, 0]) },
    { type, value },
  ];
  return error;
}

function errorInfo(reason: string): Uint8Array {
  return new BinaryWriter()
    .tag(2, WireType.LengthDelimited)
    .string("foldforge")
    .tag(1, WireType.LengthDelimited)
    .string(reason)
    .finish();
}

const responseTo = (error: unknown) => errorResponse(error, { isIdempotent: true });

/** The response to an error of SubmitWorkflow. */
function responseToSubmit(error: unknown) {
  try {
    return rethrowSubmitError(error);
  } catch (rethrown) {
    return responseTo(rethrown);
  }
}

describe("insufficientCreditsFrom", () => {
  const codes = Object.values(Code).filter((code) => typeof code === "number");
  for (const code of codes)
    it(`makes 402 of ${Code[code]} with the reason INSUFFICIENT_CREDITS`, () => {
      const error = detailed(code, "google.rpc.ErrorInfo", errorInfo("INSUFFICIENT_CREDITS"));
      const { status, headers, body } = responseTo(error);
      assert.equal(status, 402);
      assert.deepEqual([body.code, body.retryable], ["INSUFFICIENT_CREDITS", false]);
      assert.equal(headers["Retry-After"], undefined);
      const isClientError = responseTo(new ConnectError("", code)).status < 500;
      assert.equal(body.message, isClientError ? message : "not enough credits");
    });

  for (const [what, type, value] of [
    ["another reason", "google.rpc.ErrorInfo", errorInfo("INSUFFICIENT_QUOTA")],
    ["another type", "google.rpc.QuotaFailure", errorInfo("INSUFFICIENT_CREDITS")],
    ["a malformed detail", "google.rpc.ErrorInfo", new Uint8Array([10, 200, 1])],
    ["an empty detail", "google.rpc.ErrorInfo", new Uint8Array()],
  ] as const)
    it(`leaves an error with ${what} as it is`, () => {
      assert.equal(responseTo(detailed(Code.ResourceExhausted, type, value)).status, 429);
    });
});

describe("rethrowSubmitError", () => {
  for (const code of [Code.ResourceExhausted, Code.FailedPrecondition])
    for (const text of [message, "INSUFFICIENT_CREDITS", "Insufficient credit balance", "0 Credits left"])
      it(`makes 402 of ${Code[code]} that says ${JSON.stringify(text)}`, () => {
        const { status, body } = responseToSubmit(new ConnectError(text, code));
        assert.equal(status, 402);
        assert.deepEqual([body.code, body.message], ["INSUFFICIENT_CREDITS", text]);
      });

  for (const [text, code, expected] of [
    ["quota exhausted", Code.ResourceExhausted, 429],
    ["the accreditation is missing", Code.ResourceExhausted, 429],
    ["not enough credits", Code.InvalidArgument, 400],
    ["not enough credits", Code.Internal, 500],
    ["not enough credits", Code.Unavailable, 503],
  ] as const)
    it(`leaves ${Code[code]} that says ${JSON.stringify(text)} ${expected}`, () => {
      assert.equal(responseToSubmit(new ConnectError(text, code)).status, expected);
    });

  it("leaves errors of other calls as they are", () => {
    assert.equal(responseTo(new ConnectError(message, Code.ResourceExhausted)).status, 429);
  });
});
