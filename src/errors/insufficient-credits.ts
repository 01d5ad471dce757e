import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeMeaning } from "./codes.ts";
import { HttpError } from "./http-error.ts";

/** What the detail `google.rpc.ErrorInfo` of an error says, and the `code` of the error body. */
const reason = "INSUFFICIENT_CREDITS";

/** 402 for an error whose details say that the caller has not enough credits, whatever its code; undefined for others. */
export function insufficientCreditsFrom(error: ConnectError): HttpError | undefined {
  return reasonsOf(error).includes(reason) ? insufficientCredits(error) : undefined;
}

/**
 * Rethrows an error of SubmitWorkflow, as 402 if it is about credits. Orchestrators without details say so only in their
 * message, with a code that means a quota or a state in every other call.
 */
export function rethrowSubmitError(error: unknown): never {
  if (error instanceof ConnectError && codes.has(error.code) && creditsText.test(error.rawMessage))
    throw insufficientCredits(error);
  throw error;
}

const codes: ReadonlySet<Code> = new Set([Code.ResourceExhausted, Code.FailedPrecondition]);
const creditsText = /credits?(?![a-z])/i;

function insufficientCredits(error: ConnectError): HttpError {
  // The message of an error that would be 5xx may tell about the platform.
  const message = codeMeaning(error.code).status < 500 ? error.rawMessage : "not enough credits";
  return new HttpError(Code.FailedPrecondition, message, { status: 402, reason, cause: error });
}

function reasonsOf({ details }: ConnectError): string[] {
  return details.flatMap((detail) =>
    "value" in detail &&
    "type" in detail &&
    detail.type === "google.rpc.ErrorInfo" &&
    detail.value instanceof Uint8Array
      ? [reasonFrom(detail.value)]
      : [],
  );
}

/** The field `reason`, 1, of an ErrorInfo; empty if it is missing or the message is malformed. */
function reasonFrom(message: Uint8Array): string {
  let found = "";
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1 && type === WireType.LengthDelimited) found = reader.string();
      else reader.skip(type, field);
    }
  } catch {
    return "";
  }
  return found;
}
