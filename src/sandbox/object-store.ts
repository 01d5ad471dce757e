import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express, { type Express, type Request, type Response } from "express";
import { listen } from "./listen.ts";
import { s3CodeFromStatus, sendS3Error } from "./s3-errors.ts";
import type { Address } from "./settings.ts";

/** A bucket that the S3 protocol can read, path style. */
export interface ObjectStore {
  readonly url: string;
  readonly bucket: string;
  /** Stores an object for good; the same key always stands for the same bytes. */
  put(key: string, bytes: Buffer, contentType: string): Promise<void>;
  /** Lets go of it. */
  close(): Promise<void>;
}

interface StoredObject {
  readonly file: string;
  readonly etag: string;
  readonly contentType: string;
}

const bucket = "foldforge";

/** The bucket and the key in a path; throws a URIError when it cannot be decoded. */
function parsePath(path: string): { name: string; key: string } {
  const [name = "", ...key] = path.slice(1).split("/").map(decodeURIComponent);
  return { name, key: key.join("/") };
}

function createApp(folder: string, objects: ReadonlyMap<string, StoredObject>): Express {
  function sendObject(res: Response, { file, etag, contentType }: StoredObject) {
    res.setHeader("Content-Type", contentType);
    res.setHeader("ETag", etag);
    // With a root, a dot in the path of the temporary folder itself does no harm.
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
    // Keys are looked up and never become file names, so none can lead out of the folder.
    const object = objects.get(path.key);
    return object === undefined ? sendS3Error(res, "NoSuchKey") : sendObject(res, object);
  }

  return express().disable("x-powered-by").use(serveObject);
}

/**
 * Starts an empty store whose objects live in a new temporary folder until it is closed. It checks no signature:
 * whoever can connect can read.
 */
export async function startObjectStore(address: Address): Promise<ObjectStore> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "foldforge-sandbox-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const objects = new Map<string, StoredObject>();
  const server = createServer(createApp(folder, objects));
  const url = await listen(server, address, "OBJECT_STORE_ADDR");
  cleanup.defer(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
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
