/**
 * The object store of the benchmark: an S3 bucket of objects that are made as they are read. Writes its `url` to
 * stdout.
 */
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { block, lengthIn, mebibyte } from "./download-objects.ts";
import { listen } from "./listen.ts";

const server = createServer(function serve(req, res) {
  const length = lengthIn(req.url ?? "");
  if (length === undefined) return void res.writeHead(404).end();
  res.writeHead(200, { "Content-Length": length * mebibyte });
  let remaining = length;
  const body = new Readable({
    highWaterMark: block.length,
    read() {
      remaining -= 1;
      this.push(remaining < 0 ? null : block);
    },
  });
  // A client that disconnects is no failure of the benchmark.
  pipeline(body, res).catch(() => undefined);
});
listen(server);
