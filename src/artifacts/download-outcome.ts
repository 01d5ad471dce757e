import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import { IntegrityError } from "./integrity.ts";

/** The outcome of a successful download: the whole file, a part of it, only its headers, or 304. */
export type ServedOutcome = "complete" | "partial" | "head" | "not_modified";

/**
 * The outcome of a failed download. `aborted`: the connection closed early. `rejected`: too many downloads, or no object
 * store. `mismatch`: the bytes differ from the artifact's metadata. `store_failed`: the object store did not deliver
 * them. `failed`: anything else.
 */
export type FailedOutcome =
  | "precondition_failed"
  | "range_not_satisfiable"
  | "not_found"
  | "aborted"
  | "rejected"
  | "mismatch"
  | "store_failed"
  | "failed";

/** The outcome for the error of a download. Only an error that the store has caused has a `cause`. */
export function outcomeOfFailure(error: unknown, { aborted }: AbortSignal): FailedOutcome {
  if (aborted) return "aborted";
  if (!(error instanceof HttpError)) return "failed";
  if (error.code === Code.NotFound) return "not_found";
  if (error.status === 412) return "precondition_failed";
  if (error.status === 416) return "range_not_satisfiable";
  if (error.cause === undefined) return "rejected";
  return error.cause instanceof IntegrityError ? "mismatch" : "store_failed";
}
