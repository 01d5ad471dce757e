import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Readable } from "node:stream";
import { GetObjectCommand, S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { internalError, unavailable } from "../errors/refusal.ts";
import type { ByteRange } from "./conditions.ts";
import { releasingReads } from "./releasing-agent.ts";

/** Where the object store is and how to reach it. */
export interface ObjectStoreOptions {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly connectTimeoutMs: number;
  /** Longest silence between two reads. */
  readonly readTimeoutMs: number;
}

/** An object on its way. */
export interface StoredObject {
  /** Must be read to its end or destroyed: it holds a connection. Its chunks are the reader's own. */
  readonly body: Readable;
  /** Length of `body` as the store announced it. */
  readonly length: number | undefined;
}

/** The bucket behind the gateway. */
export interface ObjectStore {
  /**
   * Opens an object, or a part of it. Resolves to undefined when there is no such object; rejects with
   * Unavailable where a later try may succeed, and with Internal where it will not.
   */
  open(key: string, range: ByteRange | undefined, signal: AbortSignal): Promise<StoredObject | undefined>;
  /** Ends every connection. */
  close(): void;
}

/** Downloads that may be under way at once; each holds a connection for as long as its reader takes. */
const maxSockets = 1024;

/** An object store that speaks S3 with path-style addresses. */
export function createObjectStore(options: ObjectStoreOptions): ObjectStore {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = options;
  const client = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    maxAttempts: 2,
    // R2 sends no checksums of S3's kinds; the artifact's own SHA-256 is checked instead.
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: new NodeHttpHandler({
      connectionTimeout: options.connectTimeoutMs,
      socketTimeout: options.readTimeoutMs,
      requestTimeout: options.readTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: releasingReads(new HttpAgent({ keepAlive: true, maxSockets })),
      httpsAgent: releasingReads(new HttpsAgent({ keepAlive: true, maxSockets })),
    }),
  });

  return {
    async open(key, range, signal) {
      const command = new GetObjectCommand({
        Bucket: bucket,
        Key: key,
        ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` }),
      });
      try {
        const { Body, ContentLength } = await client.send(command, { abortSignal: signal });
        if (Body === undefined) throw new Error("the object store answered without a body");
        // On Node the SDK's body is always a Readable; its type also covers browsers.
        return { body: Body as Readable, length: ContentLength };
      } catch (error) {
        if (error instanceof S3ServiceException && isMissing(error)) return undefined;
        throw isPassing(error) ? unavailable(error) : internalError(error);
      }
    },
    close() {
      client.destroy();
    },
  };
}

function isMissing({ name, $metadata }: S3ServiceException): boolean {
  return name === "NoSuchKey" || (name === "NotFound" && $metadata.httpStatusCode === 404);
}

/** Whether a later try may succeed: the store was not reached, is throttling or is down. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof S3ServiceException)) return true;
  const status = error.$metadata.httpStatusCode ?? 0;
  return status >= 500 || status === 429 || error.name === "SlowDown" || error.name === "RequestTimeout";
}
