import assert from "node:assert/strict";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { promisify } from "node:util";
import { brotliDecompress, gunzip } from "node:zlib";
import { codingFor, encode } from "../../src/http/content-coding.ts";
import type { Coding } from "../../src/http/content-coding.ts";
import { loadContract } from "../../src/contract.ts";

describe("codingFor", () => {
  const table: [acceptEncoding: string | undefined, coding: Coding | undefined][] = [
    [undefined, undefined],
    ["", undefined],
    ["identity", undefined],
    ["gzip", "gzip"],
    ["GZIP", "gzip"],
    ["br", "br"],
    // What browsers send.
    ["gzip, deflate, br, zstd", "br"],
    ["gzip, br", "br"],
    ["*", "br"],
    ["identity, gzip", "gzip"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["gzip;q=0.5, br;q=0.5", "br"],
    ["br;q=0", undefined],
    ["br;q=0, gzip", "gzip"],
    ["br;q=0, *", "gzip"],
    ["br;q=0, gzip;q=0, *", undefined],
    ["*;q=0", undefined],
    ["*;q=0, gzip", "gzip"],
    ["identity;q=0, gzip", "gzip"],
    ["identity;q=0, *;q=0.1", "br"],
    ["identity;q=1, gzip;q=0.5", undefined],
    ["deflate", undefined],
    ["zstd, compress;q=0.5", undefined],
    ["zstd, gzip;q=0.1", "gzip"],
    // Nothing better can be made of these than what is always there.
    ["identity;q=0", undefined],
    [";;;,,,", undefined],
    ["gzip;q=high", undefined],
    ["g z i p", undefined],
    [`gzip${", a".repeat(84)}`, "gzip"],
    [`gzip${", a".repeat(85)}`, undefined],
  ];

  for (const [acceptEncoding, coding] of table)
    it(`selects for Accept-Encoding ${JSON.stringify(acceptEncoding)}: ${coding ?? "no coding"}`, () => {
      const request = new IncomingMessage(new Socket());
      if (acceptEncoding !== undefined) request.headers["accept-encoding"] = acceptEncoding;
      assert.equal(codingFor(request), coding);
    });
});

describe("encode", () => {
  const decode = { br: promisify(brotliDecompress), gzip: promisify(gunzip) };
  const text = Buffer.from(loadContract().source);

  for (const coding of ["br", "gzip"] as const)
    it(`compresses with ${coding}; small is no larger than fast`, async () => {
      const fast = Buffer.concat(await encode([text.subarray(0, 10), text.subarray(10)], coding, "fast"));
      const small = Buffer.concat(await encode([text], coding, "small"));
      for (const bytes of [fast, small]) assert.deepEqual(await decode[coding](bytes), text);
      assert.ok(small.length < fast.length && fast.length < text.length / 2);
    });
});
