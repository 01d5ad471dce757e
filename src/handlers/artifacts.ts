import { pipeline } from "node:stream/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Response } from "express";
import { ifRangeMatches, etagOf, selectRange } from "../artifacts/range.ts";
import type { ByteRange } from "../artifacts/range.ts";
import { outcomeOfFailure } from "../artifacts/download-outcome.ts";
import type { ServedOutcome } from "../artifacts/download-outcome.ts";
import { createCheckedWriter, parseSha256, IntegrityError, knownSize } from "../artifacts/integrity.ts";
import { findArtifact } from "../artifacts/find-artifact.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import { keyHashOf } from "../auth/caller.ts";
import type { Handler } from "../contract.ts";
import { internalError, HttpError, unavailable } from "../errors/http-error.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { checkPreconditions, matches } from "../http/preconditions.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** What the artifact handler calls. */
interface ArtifactServices {
  readonly orchestrator: OrchestratorClient;
  readonly bucket: string;
  /** Undefined where no object store is configured. */
  readonly store: ObjectStore | undefined;
  readonly metrics: Metrics;
}

type Download = Handler<"downloadArtifact">;

/** One 404, whether the workflow, the output or the object is missing. */
const missing = () => new HttpError(Code.NotFound, "artifact not found");

/** Serves `downloadArtifact`, and counts what becomes of it. */
export function downloadArtifact(services: ArtifactServices): Download {
  const serve = createServe(services);
  const { countDownload } = services.metrics;
  return function downloadArtifact(req, res) {
    return serve(req, res).then(countDownload, (error: unknown) => {
      countDownload(outcomeOfFailure(error, res.locals.call.signal));
      throw error;
    });
  };
}

/** The store is asked only once the caller is known to own the key. */
function createServe({
  orchestrator,
  bucket,
  store,
  metrics,
}: ArtifactServices): (...exchange: Parameters<Download>) => Promise<ServedOutcome> {
  return async function serve(req, res) {
    const { id, key } = req.params;
    const { call, caller, trace } = res.locals;
    using workflow = await orchestrator.getWorkflow({ workflowId: id }, call).catch(refuseMissing);
    const artifact = findArtifact(workflow.bytes, bucket, key);
    // A download may take long, and the workflow may be large.
    workflow[Symbol.dispose]();
    if (artifact === undefined) throw missing();
    if (store === undefined) throw new HttpError(Code.Unavailable, "no object store is configured");

    const digest = parseSha256(artifact.sha256);
    const etag = etagOf(digest);
    const etags = etag === undefined ? [] : [etag];
    const ifNoneMatch = req.get("If-None-Match");
    checkPreconditions(req, { etags });
    if (ifNoneMatch !== undefined && matches(ifNoneMatch, etags)) {
      setValidators(res, etag);
      res.status(304).end();
      return "not_modified";
    }

    const declared = knownSize(artifact.sizeBytes);
    async function sizeInStore(store: ObjectStore): Promise<number> {
      const size = await store.size(key, call.signal, trace, keyHashOf(caller));
      if (size === undefined) throw missing();
      return size;
    }
    const file = { key, contentType: artifact.contentType, etag };
    if (req.method === "HEAD") {
      setHeaders(res, { ...file, length: declared ?? (await sizeInStore(store)) });
      res.end();
      return "head";
    }
    // Range means something for GET only (RFC 9110 §14.2).
    const wanted = ifRangeMatches(req.get("If-Range"), etag) ? req.get("Range") : undefined;
    // A response with the whole file takes its length from the object itself.
    const size = declared ?? (wanted === undefined ? undefined : await sizeInStore(store));
    const range = wanted === undefined || size === undefined ? undefined : rangeWithin(size, wanted);
    const object = await store.open(key, range, call.signal, trace, keyHashOf(caller));
    if (object === undefined) throw missing();
    const length = range === undefined ? (size ?? object.length) : range.end - range.start + 1;
    const contentRange = range === undefined ? undefined : `bytes ${range.start}-${range.end}/${size}`;
    if (length === undefined || object.length !== length || object.contentRange !== contentRange) {
      object.body.destroy();
      throw internalError(
        new IntegrityError(
          `the object store announced ${object.length} bytes, not the ${length} at the place asked for`,
        ),
      );
    }
    // No digest vouches for the bytes of a part; of it only place and length are known to be right.
    const sha256 = range === undefined || length === size ? digest : undefined;
    const headers = { ...file, length };
    function begin() {
      setHeaders(res, headers);
      if (contentRange !== undefined) res.status(206).set("Content-Range", contentRange);
    }
    const writer = createCheckedWriter(res, { length, sha256 }, begin, metrics.countSentBytes);
    await pipeline(object.body, writer).catch((error: unknown) => {
      // A client that goes away breaks the store's transfer off too, which is no failure of the store.
      call.signal.throwIfAborted();
      if (error instanceof IntegrityError) throw internalError(error);
      throw unavailable(new Error("the transfer from the object store failed", { cause: error }));
    });
    return range === undefined ? "complete" : "partial";
  };
}

function refuseMissing(error: unknown): never {
  throw ConnectError.from(error).code === Code.NotFound ? missing() : error;
}

/** The part of `size` bytes that a `Range` asks for, undefined for the whole; throws 416 for one beyond the end. */
function rangeWithin(size: number, header: string): ByteRange | undefined {
  const selection = selectRange(header, size);
  if (selection.kind !== "unsatisfiable") return selection.kind === "part" ? selection.range : undefined;
  throw new HttpError(Code.OutOfRange, `the range lies beyond the file's ${size} bytes`, {
    status: 416,
    headers: { "Content-Range": `bytes */${size}` },
  });
}

function setValidators(res: Response, etag: string | undefined): void {
  if (etag !== undefined) res.set("ETag", etag);
  res.set("Cache-Control", "private, no-cache");
}

/** RFC 9110 §8.3.1, parameters included; what is no media type is bytes. */
const mediaTypePattern = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?: *; *[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[ !#-~]*"))*$/;

interface FileHeaders {
  readonly key: string;
  readonly contentType: string;
  readonly etag: string | undefined;
  readonly length: number;
}

function setHeaders(res: Response, { key, contentType, etag, length }: FileHeaders): void {
  setValidators(res, etag);
  // `attachment` sets a type by the name's extension; the artifact's own follows.
  res.attachment(key.slice(key.lastIndexOf("/") + 1));
  res.setHeader(
    "Content-Type",
    mediaTypePattern.test(contentType) ? contentType : "application/octet-stream",
  );
  res.set({
    "Content-Length": String(length),
    "Accept-Ranges": "bytes",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
  });
}
