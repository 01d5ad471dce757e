import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { SecureContext } from "node:tls";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Code } from "@connectrpc/connect";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import type { KeyShares } from "../load-shedding/key-shares.ts";
import { internalError, HttpError } from "../errors/http-error.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import type { ByteRange } from "./range.ts";
import { readErrorBody } from "./error-page.ts";
import { freeChunksAfterRead } from "./releasing-agent.ts";
import { withTimeout, withIdleTimeout } from "./timeouts.ts";
import { isNoSuchKey, httpErrorFromS3, s3StatusOf } from "./s3-errors.ts";

/** Where the object store is and how to reach it. */
export interface ObjectStoreOptions {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly connectTimeoutMs: number;
  /** Longest wait for the head of an answer, and for its next bytes. */
  readonly readTimeoutMs: number;
  /** Most objects that may be on their way at once; each holds a connection for as long as its reader takes. */
  readonly maxDownloads: number;
}

/** An object on its way. */
export interface StoredObject {
  /**
   * Must be read to its end or destroyed: it holds a connection. It fails when the store falls silent. Its chunks
   * are the reader's own.
   */
  readonly body: Readable;
  /** Length of `body` as the store announced it. */
  readonly length: number | undefined;
  /** The `Content-Range` that the store answered with; undefined where it says that this is the whole. */
  readonly contentRange: string | undefined;
}

/** The bucket behind the gateway. */
export interface ObjectStore {
  /**
   * Opens an object, or a part of it. Resolves to undefined when there is no such object; rejects with
   * Unavailable where a later try may succeed, with Internal where it will not, and with ResourceExhausted where the
   * API key of `keyHash` holds its share of the downloads. `trace` is for who observes.
   */
  open(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal,
    trace?: TraceContext,
    keyHash?: string,
  ): Promise<StoredObject | undefined>;
  /** The length of a whole object, in bytes; resolves to undefined and rejects as `open` does. */
  size(key: string, signal: AbortSignal, trace?: TraceContext, keyHash?: string): Promise<number | undefined>;
  /** How many objects are on their way. */
  readonly downloadCount: number;
  /** Ends every connection. */
  close(): void;
}

/**
 * Hears that an object is asked for. What it returns is told once, when the last byte has come or none will: the
 * status of the answer, if there was one, and what failed; null where nothing did, or nobody waited any more.
 */
export type ObserveDownload = (
  key: string,
  trace: TraceContext | undefined,
) => (status: number | undefined, error: unknown) => void;

/** An object store that speaks S3 with path-style addresses; each connection by TLS takes what `secureContext` returns. */
export function createObjectStore(
  options: ObjectStoreOptions,
  shares: KeyShares,
  observe: ObserveDownload = () => () => undefined,
  secureContext?: () => SecureContext,
): ObjectStore {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey, readTimeoutMs, maxDownloads } = options;
  const client = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    maxAttempts: 2,
    // R2 sends no checksums of S3's kinds; the artifact's own SHA-256 is checked instead.
    responseChecksumValidation: "WHEN_REQUIRED",
    // Of a download, the SDK collects nothing but errors, and would whatever their length.
    streamCollector: readErrorBody,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: options.connectTimeoutMs,
      // The SDK's own timeouts would count the time for which a slow client keeps us from reading.
      requestTimeout: 0,
      socketTimeout: 0,
      httpAgent: freeChunksAfterRead(new HttpAgent({ keepAlive: true })),
      httpsAgent: freeChunksAfterRead(httpsAgent(secureContext)),
    }),
  });
  let underWay = 0;

  function acquire(keyHash: string | undefined): void {
    shares.acquireOrThrow(keyHash);
    underWay += 1;
    if (underWay <= maxDownloads) return;
    release(keyHash);
    throw new HttpError(Code.Unavailable, "too many downloads are under way; try again later");
  }

  function release(keyHash: string | undefined): void {
    underWay -= 1;
    shares.release(keyHash);
  }

  /** Rejects with what went wrong, as the SDK tells it. */
  async function get(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal,
    trace: TraceContext | undefined,
    keyHash: string | undefined,
  ): Promise<StoredObject> {
    acquire(keyHash);
    const over = observe(key, trace);
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: key,
      ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` }),
    });
    try {
      const { Body, ContentLength, ContentRange, $metadata } = await withTimeout(
        readTimeoutMs,
        signal,
        (abortSignal) => client.send(command, { abortSignal }),
      );
      if (Body === undefined) throw new Error("the object store answered without a body");
      // On Node the SDK's body is always a Readable; its type also covers browsers.
      const body = Body as Readable;
      withIdleTimeout(body, readTimeoutMs);
      body.once("close", function end() {
        release(keyHash);
        over($metadata.httpStatusCode, signal.aborted ? null : body.errored);
      });
      return { body, length: ContentLength, contentRange: ContentRange };
    } catch (error) {
      release(keyHash);
      over(s3StatusOf(error), signal.aborted ? null : error);
      throw error;
    }
  }

  function refuse(error: unknown): undefined {
    if (error instanceof HttpError) throw error;
    if (!isNoSuchKey(error)) throw httpErrorFromS3(error, accessKeyId);
  }

  return {
    open: (key, range, signal, trace, keyHash) => get(key, range, signal, trace, keyHash).catch(refuse),
    async size(key, signal, trace, keyHash) {
      // Along with the first byte the store tells the whole length, or 416 where there is none. A HEAD could not tell a
      // missing object from a missing bucket.
      const firstByte = { start: 0, end: 0 };
      try {
        const { body, length, contentRange } = await get(key, firstByte, signal, trace, keyHash);
        const closed = finished(body).catch(() => undefined);
        // A store may leave the range out of account, and send all of it.
        if (contentRange === undefined) body.destroy();
        else body.resume();
        await closed;
        const size = contentRange === undefined ? length : totalOf(contentRange);
        if (size === undefined)
          throw internalError(new Error("the object store tells no length of an object"));
        return size;
      } catch (error) {
        return s3StatusOf(error) === 416 ? 0 : refuse(error);
      }
    },
    get downloadCount() {
      return underWay;
    },
    close() {
      client.destroy();
    },
  };
}

function httpsAgent(secureContext: (() => SecureContext) | undefined): HttpsAgent {
  if (secureContext === undefined) return new HttpsAgent({ keepAlive: true });
  // A session that is resumed is not checked against the authorities that are trusted by then.
  const agent = new HttpsAgent({ keepAlive: true, maxCachedSessions: 0 });
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = function createConnection(options, callback) {
    // An option of tls.connect (which https.Agent calls) that the type of this method does not have.
    const withContext = { ...options, secureContext: secureContext() };
    return connect(withContext, callback);
  };
  return agent;
}

/** The whole length in a `Content-Range` (RFC 9110 §14.4); undefined where the store does not know it. */
function totalOf(contentRange: string): number | undefined {
  const [, total] = /^bytes \d+-\d+\/(\d+)$/.exec(contentRange) ?? [];
  return total === undefined ? undefined : Number(total);
}
