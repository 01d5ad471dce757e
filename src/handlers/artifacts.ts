import { pipeline } from "node:stream/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Response } from "express";
import { attachmentOf } from "../artifacts/content-disposition.ts";
import { outcomeOfFailure } from "../artifacts/download-outcome.ts";
import type { ServedOutcome } from "../artifacts/download-outcome.ts";
import { findArtifact } from "../artifacts/find-artifact.ts";
import { createCheckedWriter, IntegrityError, knownSize, parseSha256 } from "../artifacts/integrity.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import { ifRangeMatches, selectRange } from "../artifacts/range.ts";
import type { ByteRange } from "../artifacts/range.ts";
import { keyHashOf } from "../auth/caller.ts";
import type { Handler } from "../contract.ts";
import { internalError, invalidRequest, HttpError, unavailable } from "../errors/http-error.ts";
import { sendConditionalWorkflow } from "../http/conditional-workflow.ts";
import type { MessageSender } from "../http/send-message.ts";
import { readStepIds } from "../mapping/workflow.ts";
import type { Transcoders } from "../mapping/workflow.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { checkPreconditions, matches } from "../http/preconditions.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { didYouMeanPath } from "../validation/key-form.ts";
import { stepViolations } from "../validation/step-violations.ts";

interface ListServices extends MessageSender {
  readonly orchestrator: OrchestratorClient;
  readonly transcoders: Transcoders;
}

interface ArtifactServices {
  readonly orchestrator: OrchestratorClient;
  readonly bucket: string;
  /** Undefined when no object store is configured. */
  readonly store: ObjectStore | undefined;
  readonly metrics: Metrics;
}

/** Lists the outputs of a workflow, which is read as the caller. Throws 400 for a step that it does not have. */
export function listArtifacts(services: ListServices): Handler<"listArtifacts"> {
  const { orchestrator, transcoders } = services;
  return async function listArtifacts(req, res) {
    const { step } = req.query;
    using workflow = await orchestrator.getWorkflow({ workflowId: req.params.id }, res.locals.callOptions);
    const violations = step === undefined ? [] : stepViolations(step, readStepIds(workflow.bytes));
    if (violations.length > 0) throw invalidRequest(violations);
    await sendConditionalWorkflow(res, transcoders.artifactList(step), workflow, services);
  };
}

type Download = Handler<"downloadArtifact">;
type ArtifactPath = Parameters<Download>[0]["params"];

/** One 404, whether the workflow, the output or the object is missing. */
function notFound({ id, key }: ArtifactPath): HttpError {
  return new HttpError(Code.NotFound, `artifact not found${didYouMeanPath(id, key)}`);
}

/** Counts the outcome of every download. */
export function downloadArtifact(services: ArtifactServices): Download {
  const serve = createServe(services);
  const { countDownload } = services.metrics;
  return function downloadArtifact(req, res) {
    return serve(req, res).then(countDownload, (error: unknown) => {
      countDownload(outcomeOfFailure(error, res.locals.callOptions.signal));
      throw error;
    });
  };
}

function createServe({
  orchestrator,
  bucket,
  store,
  metrics,
}: ArtifactServices): (...exchange: Parameters<Download>) => Promise<ServedOutcome> {
  return async function serve(req, res) {
    const { id, key } = req.params;
    const { callOptions, caller, trace } = res.locals;

    // The workflow is read as the caller: only its outputs may be downloaded.
    using workflow = await orchestrator
      .getWorkflow({ workflowId: id }, callOptions)
      .catch((error: unknown) => {
        throw ConnectError.from(error).code === Code.NotFound ? notFound(req.params) : error;
      });
    const found = findArtifact(workflow.bytes, bucket, key);
    // Frees the workflow, which may be large, before the download, which may take long.
    workflow[Symbol.dispose]();
    if (found === undefined) throw notFound(req.params);
    const { artifact, name } = found;
    if (store === undefined) throw new HttpError(Code.Unavailable, "no object store is configured");

    const digest = parseSha256(artifact.sha256);
    const etag = digest === undefined ? undefined : `"${digest}"`;
    const etags = etag === undefined ? [] : [etag];
    const ifNoneMatch = req.get("If-None-Match");
    checkPreconditions(req, { etags });
    if (ifNoneMatch !== undefined && matches(ifNoneMatch, etags)) {
      setValidators(res, etag);
      res.status(304).end();
      return "not_modified";
    }

    const objectRequest = { signal: callOptions.signal, trace, keyHash: keyHashOf(caller) };
    const declaredSize = knownSize(artifact.sizeBytes);
    const file = { name, contentType: artifact.contentType, etag };
    if (req.method === "HEAD") {
      const length = declaredSize ?? orNotFound(await store.size(key, objectRequest), req.params);
      setHeaders(res, { ...file, length });
      res.end();
      return "head";
    }

    // Range applies to GET only (RFC 9110 §14.2).
    const rangeHeader = ifRangeMatches(req.get("If-Range"), etag) ? req.get("Range") : undefined;
    // Without a range, the store's response has the length.
    const size =
      declaredSize ??
      (rangeHeader === undefined ? undefined : orNotFound(await store.size(key, objectRequest), req.params));
    const range = rangeHeader === undefined || size === undefined ? undefined : rangeOf(rangeHeader, size);
    const object = orNotFound(await store.open(key, { ...objectRequest, range }), req.params);
    const length = range === undefined ? (size ?? object.length) : range.end - range.start + 1;
    const contentRange = range === undefined ? undefined : `bytes ${range.start}-${range.end}/${size}`;
    if (length === undefined || object.length !== length || object.contentRange !== contentRange) {
      object.body.destroy();
      throw internalError(
        new IntegrityError(
          `the object store announced ${object.length} bytes instead of ${length}, or another range`,
        ),
      );
    }

    function begin(length: number) {
      setHeaders(res, { ...file, length });
      if (contentRange !== undefined) res.status(206).set("Content-Range", contentRange);
    }
    // The SHA-256 covers the whole file; a part can only be checked for length and position.
    const sha256 = range === undefined || length === size ? digest : undefined;
    const writer = createCheckedWriter(res, { length, sha256 }, () => begin(length), metrics.countSentBytes);
    await pipeline(object.body, writer).catch((error: unknown) => {
      // A client that disconnects ends the store's transfer, too; that is no failure of the store.
      callOptions.signal.throwIfAborted();
      if (error instanceof IntegrityError) throw internalError(error);
      throw unavailable(new Error("the transfer from the object store failed", { cause: error }));
    });
    return range === undefined ? "complete" : "partial";
  };
}

function orNotFound<T>(found: T | undefined, path: ArtifactPath): T {
  if (found === undefined) throw notFound(path);
  return found;
}

/** The range of a `Range` header in a file of `size` bytes; undefined for the whole file. Throws 416 beyond its end. */
function rangeOf(header: string, size: number): ByteRange | undefined {
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

/** A media type with parameters (RFC 9110 §8.3.1). Anything else is sent as `application/octet-stream`. */
const mediaTypePattern = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?: *; *[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[ !#-~]*"))*$/;

interface FileHeaders {
  readonly name: string;
  readonly contentType: string;
  readonly etag: string | undefined;
  readonly length: number;
}

function setHeaders(res: Response, { name, contentType, etag, length }: FileHeaders): void {
  setValidators(res, etag);
  // Express would add a charset to some types.
  res.setHeader(
    "Content-Type",
    mediaTypePattern.test(contentType) ? contentType : "application/octet-stream",
  );
  res.set({
    "Content-Disposition": attachmentOf(name),
    "Content-Length": String(length),
    "Accept-Ranges": "bytes",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
  });
}
