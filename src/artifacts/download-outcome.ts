import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import { IntegrityError } from "./integrity.ts";

/**
 * What a download that was served has been: all of the file, a part of it, its headers, or that the client has it
 * already.
 */
export type ServedOutcome = "complete" | "partial" | "head" | "not_modified";

/**
 * Why a download was not served: `aborted`, its connection closed before its end; `refused`, there is no place or no
 * store for it; `mismatch`, the bytes are not those that the metadata promises; `store_failed`, the object store did
 * not give them; `failed`, anything else.
 */
export type FailedOutcome =
  | "precondition_failed"
  | "range_not_satisfiable"
  | "not_found"
  | "aborted"
  | "refused"
  | "mismatch"
  | "store_failed"
  | "failed";

/** What the error of a download makes of it. Of its refusals, only those for the sake of the store have a cause. */
export function outcomeOfFailure(error: unknown, { aborted }: AbortSignal): FailedOutcome {
  if (aborted) return "aborted";
  if (!(error instanceof HttpError)) return "failed";
  if (error.code === Code.NotFound) return "not_found";
  if (error.status === 412) return "precondition_failed";
  if (error.status === 416) return "range_not_satisfiable";
  if (error.cause === undefined) return "refused";
  return error.cause instanceof IntegrityError ? "mismatch" : "store_failed";
}
