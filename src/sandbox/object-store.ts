import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express, { type Express, type Request, type Response } from "express";
import { closeServer, listen } from "./listen.ts";
import type { Address } from "./settings.ts";

/** A bucket that clients read by the S3 protocol, path style. */
export interface ObjectStore {
  readonly url: string;
  readonly bucket: string;
  /** Stores an object; a key always has the same bytes. */
  put(key: string, bytes: Buffer, contentType: string): Promise<void>;
  close(): Promise<void>;
}

interface StoredObject {
  readonly file: string;
  readonly etag: string;
  readonly contentType: string;
}

const bucket = "foldforge";

const s3Errors = {
  NoSuchKey: { status: 404, message: "The key does not exist." },
  NoSuchBucket: { status: 404, message: "The bucket does not exist." },
  InvalidURI: { status: 400, message: "The path cannot be decoded." },
  InvalidRange: { status: 416, message: "The range lies outside the object." },
  PreconditionFailed: { status: 412, message: "A precondition does not hold." },
  MethodNotAllowed: { status: 405, message: "Objects can only be read here." },
  NotImplemented: { status: 501, message: "Only single objects can be read here." },
  InternalError: { status: 500, message: "The object could not be read." },
} as const;

type S3ErrorCode = keyof typeof s3Errors;

/** The code for a status with which serving a file fails. */
function s3CodeFromStatus(status: number | undefined): S3ErrorCode {
  if (status === 404) return "NoSuchKey";
  if (status === 412) return "PreconditionFailed";
  return status === 416 ? "InvalidRange" : "InternalError";
}

const xmlEntities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** Responds as S3 does: the status of `code`, and an XML document that repeats the path. */
function sendS3Error(res: Response, code: S3ErrorCode): void {
  const { status, message } = s3Errors[code];
  const resource = res.req.path.replace(/[&<>"]/g, (character) => xmlEntities[character] ?? "");
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message><Resource>${resource}</Resource></Error>`;
  res.status(status).set("Content-Type", "application/xml").end(body);
}

/** The bucket and the key in a path; throws a URIError when it cannot be decoded. */
function parsePath(path: string): { name: string; key: string } {
  const [name = "", ...key] = path.slice(1).split("/").map(decodeURIComponent);
  return { name, key: key.join("/") };
}

function createApp(folder: string, objects: ReadonlyMap<string, StoredObject>): Express {
  function sendObject(res: Response, { file, etag, contentType }: StoredObject) {
    res.setHeader("Content-Type", contentType);
    res.setHeader("ETag", etag);
    // A root, since without one `send` ignores files below a folder whose name starts with a dot.
    res.sendFile(file, { root: folder, cacheControl: false }, (error?: Error & { status?: number }) => {
      if (error === undefined || res.headersSent) return;
      res.removeHeader("ETag");
      sendS3Error(res, s3CodeFromStatus(error.status));
    });
  }

  function serveObject(req: Request, res: Response) {
    let path;
    try {
      path = parsePath(req.path);
    } catch {
      return sendS3Error(res, "InvalidURI");
    }
    if (req.method !== "GET" && req.method !== "HEAD") return sendS3Error(res, "MethodNotAllowed");
    if (path.name !== bucket) return sendS3Error(res, "NoSuchBucket");
    if (path.key === "") return req.method === "HEAD" ? res.end() : sendS3Error(res, "NotImplemented");
    // Keys are looked up and never become file names, so that none leads out of the folder.
    const object = objects.get(path.key);
    return object === undefined ? sendS3Error(res, "NoSuchKey") : sendObject(res, object);
  }

  return express().disable("x-powered-by").use(serveObject);
}

/**
 * Starts an empty store that keeps its objects in a new temporary folder until it is closed. It checks no signature:
 * whoever can connect can read.
 */
export async function startObjectStore(address: Address): Promise<ObjectStore> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "foldforge-sandbox-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const objects = new Map<string, StoredObject>();
  const server = createServer(createApp(folder, objects));
  const url = await listen(server, address, "OBJECT_STORE_ADDR");
  cleanup.defer(() => closeServer(server));
  const resources = cleanup.move();
  return {
    url,
    bucket,
    async put(key, bytes, contentType) {
      if (objects.has(key)) return;
      const file = createHash("sha256").update(key).digest("hex");
      await writeFile(join(folder, file), bytes);
      const etag = `"${createHash("md5").update(bytes).digest("hex")}"`;
      objects.set(key, { file, etag, contentType });
    },
    close: () => resources.disposeAsync(),
  };
}
