/**
 * The floor of a download: the SDK's body, piped to the client, its SHA-256 taken for a `checked` key. Takes the
 * object store's url, writes its own.
 */
import { createHash } from "node:crypto";
import { Agent, createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { bucket } from "./download-objects.ts";
import { listen } from "./listen.ts";

const [endpoint = ""] = process.argv.slice(2);
const client = new S3Client({
  endpoint,
  region: "auto",
  credentials: { accessKeyId: "any", secretAccessKey: "any" },
  forcePathStyle: true,
  maxAttempts: 2,
  responseChecksumValidation: "WHEN_REQUIRED",
  requestHandler: new NodeHttpHandler({
    connectionTimeout: 5000,
    socketTimeout: 30_000,
    requestTimeout: 30_000,
    throwOnRequestTimeout: true,
    httpAgent: new Agent({ keepAlive: true, maxSockets: 1024 }),
  }),
});

async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const key = (req.url ?? "").slice(1);
  const { Body, ContentLength } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  // On Node the SDK's body is always a Readable; its type also covers browsers.
  const body = Body as Readable;
  const hash = key.startsWith("checked/") ? createHash("sha256") : undefined;
  if (hash !== undefined) body.on("data", (chunk: Buffer) => hash.update(chunk));
  res.writeHead(200, { "Content-Length": ContentLength });
  await pipeline(body, res);
  hash?.digest("hex");
}

const server = createServer((req, res) => void serve(req, res));
listen(server);
