import type { Readable } from "node:stream";
import { S3ServiceException } from "@aws-sdk/client-s3";
import { internalError, unavailable } from "../errors/http-error.ts";
import type { HttpError } from "../errors/http-error.ts";

/** Whether the store reports that the object does not exist; any other 404 has another reason. */
export function isNoSuchKey(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === "NoSuchKey";
}

/**
 * The error of a failed request to the store: Unavailable when a later attempt may succeed, because the store was not
 * reached, throttles or is down; else Internal. Its cause is logged, with the store's code and message unless they
 * contain `accessKeyId`.
 */
export function httpErrorFromS3(error: unknown, accessKeyId: string): HttpError {
  const status = s3StatusOf(error);
  if (status === undefined) return unavailable(error);
  const isLoggable = !String(error).includes(accessKeyId);
  const cause = new Error(`the object store responded with ${status}`, isLoggable ? { cause: error } : {});
  return isTransient(error, status) ? unavailable(cause) : internalError(cause);
}

/** Error codes of S3 for transient failures whose status may be 400. */
const transientCodes: ReadonlySet<string> = new Set(["SlowDown", "RequestTimeout"]);

function isTransient(error: unknown, status: number): boolean {
  return (
    status >= 500 || status === 429 || (error instanceof S3ServiceException && transientCodes.has(error.name))
  );
}

/** The status of the response that led to an error of the SDK; undefined when there was no response. */
export function s3StatusOf(error: unknown): number | undefined {
  if (!(error instanceof Error && "$metadata" in error)) return undefined;
  // The SDK adds its metadata to the errors of its XML parser, too, whose type does not declare it.
  return (error as Pick<S3ServiceException, "$metadata">).$metadata.httpStatusCode;
}

/** Far more than an error body of S3 has, in bytes. */
const maxErrorBodyBytes = 65_536;

/** Reads the body of an error response. Rejects, and destroys `body`, when it has more than 64 KiB. */
export async function readErrorBody(body: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxErrorBodyBytes) {
      throw new Error(`the object store sent an error body of more than ${maxErrorBodyBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
