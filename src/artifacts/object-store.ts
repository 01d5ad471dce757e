import { Agent as HttpsAgent } from "node:https";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { SecureContext } from "node:tls";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Code } from "@connectrpc/connect";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import type { KeyShares } from "../load-shedding/key-shares.ts";
import { internalError, HttpError } from "../errors/http-error.ts";
import { http } from "../node-http.ts";
import type { ObserveDownload } from "../telemetry/download-spans.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import { freeChunksAfterRead } from "./chunk-memory.ts";
import type { ByteRange } from "./range.ts";
import { httpErrorFromS3, isNoSuchKey, readErrorBody, s3StatusOf } from "./s3-errors.ts";
import { withIdleTimeout, withTimeout } from "./timeouts.ts";

/** Where the object store is and how to reach it. */
export interface ObjectStoreOptions {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly connectTimeoutMs: number;
  /** The timeout for the headers of a response, and for the next bytes of its body. */
  readonly readTimeoutMs: number;
  /** The maximum number of concurrent downloads; each holds a connection for as long as its reader takes. */
  readonly maxDownloads: number;
}

/** The request that an object is read for. */
export interface ObjectRequest {
  readonly signal: AbortSignal;
  /** For the observer. */
  readonly trace?: TraceContext;
  /** The API key whose share of the downloads the request counts against. */
  readonly keyHash?: string | undefined;
}

/** An open object. */
export interface StoredObject {
  /**
   * Must be read to its end or destroyed: it holds a connection. It fails when the store sends nothing for the read
   * timeout. Nothing else uses its chunks.
   */
  readonly body: Readable;
  /** Length of `body` by the store's `Content-Length`. */
  readonly length: number | undefined;
  /** The store's `Content-Range`; undefined when it sends the whole object. */
  readonly contentRange: string | undefined;
}

/** The bucket of artifacts. */
export interface ObjectStore {
  /**
   * Opens an object or, with `range`, a part of it. Resolves to undefined when it does not exist. Rejects with
   * Unavailable when a later attempt may succeed, with Internal when no attempt will succeed, and with ResourceExhausted
   * when the API key holds its share of the downloads.
   */
  open(
    key: string,
    request: ObjectRequest & { readonly range?: ByteRange | undefined },
  ): Promise<StoredObject | undefined>;
  /** The length of an object, in bytes; resolves to undefined and rejects as `open` does. */
  size(key: string, request: ObjectRequest): Promise<number | undefined>;
  /** How many objects are open. */
  readonly downloadCount: number;
  /** Closes all connections. */
  close(): void;
}

/**
 * An object store that speaks S3 with path-style addresses. Each new TLS connection uses the context that
 * `secureContext` returns.
 */
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
    // R2 does not send the checksums of S3; the artifact's own SHA-256 is checked instead.
    responseChecksumValidation: "WHEN_REQUIRED",
    // The SDK collects only error bodies here, without a limit of its own.
    streamCollector: readErrorBody,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: options.connectTimeoutMs,
      // The SDK's timeouts would count the time for which a slow client pauses the body.
      requestTimeout: 0,
      socketTimeout: 0,
      httpAgent: freeChunksAfterRead(new http.Agent({ keepAlive: true })),
      httpsAgent: freeChunksAfterRead(httpsAgent(secureContext)),
    }),
  });
  let downloadCount = 0;

  function acquire(keyHash: string | undefined): void {
    shares.acquireOrThrow(keyHash);
    downloadCount += 1;
    if (downloadCount <= maxDownloads) return;
    release(keyHash);
    throw new HttpError(Code.Unavailable, "too many downloads are in progress; try again later");
  }

  function release(keyHash: string | undefined): void {
    downloadCount -= 1;
    shares.release(keyHash);
  }

  /** Rejects with the SDK's error. */
  async function get(
    key: string,
    range: ByteRange | undefined,
    { signal, trace, keyHash }: ObjectRequest,
  ): Promise<StoredObject> {
    acquire(keyHash);
    const observeEnd = observe(key, trace);
    function end(status: number | undefined, error: unknown) {
      release(keyHash);
      observeEnd(status, signal.aborted ? null : error);
    }
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
      if (Body === undefined) throw new Error("the object store sent a response without a body");
      // On Node, the SDK's body is always a Readable; its type covers browsers, too.
      const body = Body as Readable;
      withIdleTimeout(body, readTimeoutMs);
      body.once("close", () => end($metadata.httpStatusCode, body.errored));
      return { body, length: ContentLength, contentRange: ContentRange };
    } catch (error) {
      end(s3StatusOf(error), error);
      throw error;
    }
  }

  /** Returns undefined when the error means that the object does not exist. */
  function throwUnlessMissing(error: unknown): undefined {
    if (error instanceof HttpError) throw error;
    if (!isNoSuchKey(error)) throw httpErrorFromS3(error, accessKeyId);
  }

  return {
    open: (key, { range, ...request }) => get(key, range, request).catch(throwUnlessMissing),
    async size(key, request) {
      // The response to a request for the first byte has the whole length, or is 416 for an empty object. The response
      // to HEAD has no body, so that it does not distinguish a missing object from a missing bucket.
      const firstByte = { start: 0, end: 0 };
      try {
        const { body, length, contentRange } = await get(key, firstByte, request);
        const closed = finished(body).catch(() => undefined);
        // A store may ignore the range and send the whole object.
        if (contentRange === undefined) body.destroy();
        else body.resume();
        await closed;
        const size = contentRange === undefined ? length : completeLengthOf(contentRange);
        if (size === undefined)
          throw internalError(new Error("the object store sent no length of an object"));
        return size;
      } catch (error) {
        return s3StatusOf(error) === 416 ? 0 : throwUnlessMissing(error);
      }
    },
    get downloadCount() {
      return downloadCount;
    },
    close() {
      client.destroy();
    },
  };
}

function httpsAgent(secureContext: (() => SecureContext) | undefined): HttpsAgent {
  if (secureContext === undefined) return new HttpsAgent({ keepAlive: true });
  // A resumed TLS session is not verified against the current certificate authorities, so none is cached.
  const agent = new HttpsAgent({ keepAlive: true, maxCachedSessions: 0 });
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = function createConnection(options, callback) {
    // An option of tls.connect, which https.Agent calls, that the type of this method does not declare.
    const withContext = { ...options, secureContext: secureContext() };
    return connect(withContext, callback);
  };
  return agent;
}

/** The complete length in a `Content-Range` (RFC 9110 §14.4); undefined when the store does not know it. */
function completeLengthOf(contentRange: string): number | undefined {
  const [, length] = /^bytes \d+-\d+\/(\d+)$/.exec(contentRange) ?? [];
  return length === undefined ? undefined : Number(length);
}
