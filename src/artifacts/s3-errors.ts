import { S3ServiceException } from "@aws-sdk/client-s3";
import { internalError, unavailable } from "../errors/http-error.ts";
import type { HttpError } from "../errors/http-error.ts";

/** Whether the store says that it has no such object; any other 404 is not about the object. */
export function isNoSuchKey(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === "NoSuchKey";
}

/**
 * What a failed request to the store means: Unavailable where a later try may succeed, since the store was not
 * reached, is throttling or is down, else Internal. Its cause is for the log, which may read the store's code and
 * message, but nothing that repeats `accessKeyId`.
 */
export function httpErrorFromS3(error: unknown, accessKeyId: string): HttpError {
  const status = s3StatusOf(error);
  if (status === undefined) return unavailable(error);
  const isTold = !String(error).includes(accessKeyId);
  const cause = new Error(`the object store answered ${status}`, isTold ? { cause: error } : {});
  return isPassing(error, status) ? unavailable(cause) : internalError(cause);
}

/** Codes of S3 that may come with a status of the 4xx range and mean less than it says. */
const passingCodes: ReadonlySet<string> = new Set(["SlowDown", "RequestTimeout"]);

function isPassing(error: unknown, status: number): boolean {
  return (
    status >= 500 || status === 429 || (error instanceof S3ServiceException && passingCodes.has(error.name))
  );
}

/** The status of the answer that made the SDK fail, one of S3 or one that it could not read; undefined without any. */
export function s3StatusOf(error: unknown): number | undefined {
  if (!(error instanceof Error && "$metadata" in error)) return undefined;
  // The SDK hangs the metadata of its own errors on those of its parser, whose type does not say so.
  return (error as Pick<S3ServiceException, "$metadata">).$metadata.httpStatusCode;
}
