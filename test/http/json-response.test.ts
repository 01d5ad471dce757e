import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import express from "express";
import type { ErrorRequestHandler } from "express";
import { strongETags } from "../../src/http/etag.ts";
import { sendConditionalJson, sendJson } from "../../src/http/json-response.ts";
import { suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { serve } from "../support/serve.ts";
import { deferred } from "../support/stack.ts";

/** JSON of exactly so many bytes, which compress well. */
const ofLength = (bytes: number) => "x".repeat(bytes - 2);

describe("sendJson", () => {
  let body: unknown;
  let status = 201;
  const server = suite(async () => {
    const app = express()
      .use("/conditional", (_req, res) => {
        const json = [Buffer.from(JSON.stringify(body))];
        return sendConditionalJson(res, json, strongETags(json));
      })
      .use((_req, res) => sendJson(res.status(status), body));
    const { url, close } = await serve(app);
    return { url, close: () => close(0) };
  });
  beforeEach(() => {
    status = 201;
  });

  const get = (headers: Record<string, string> = {}, method = "GET", path = "/") =>
    sendPath(server().url, path, { method, headers });

  for (const value of [{ a: 1 }, [], "ü🧬", null, { long: "x".repeat(100_000) }])
    it(`sends ${JSON.stringify(value).slice(0, 20)} under the status that is set, with its length in bytes`, async () => {
      body = value;
      const response = await get();
      assert.equal(response.status, 201);
      assert.equal(response.body, JSON.stringify(value));
      assert.equal(response.headers["content-length"], String(Buffer.byteLength(response.body)));
      assert.equal(response.headers["content-type"], "application/json; charset=utf-8");
    });

  const decoders = { br: brotliDecompressSync, gzip: gunzipSync };
  for (const coding of ["br", "gzip"] as const) {
    it(`compresses more than 1 KiB with ${coding}`, async () => {
      body = { text: "ü".repeat(600) };
      const response = await get({ "Accept-Encoding": coding });
      assert.equal(response.headers["content-encoding"], coding);
      assert.equal(response.headers.vary, "Accept-Encoding");
      assert.equal(Number(response.headers["content-length"]), response.bytes.length);
      assert.deepEqual(JSON.parse(decoders[coding](response.bytes).toString()), body);
    });

    it(`sends HEAD the length that GET has with ${coding}`, async () => {
      body = ofLength(5000);
      const [got, head] = [
        await get({ "Accept-Encoding": coding }),
        await get({ "Accept-Encoding": coding }, "HEAD"),
      ];
      assert.equal(head.bytes.length, 0);
      for (const name of ["content-length", "content-encoding", "content-type", "vary"])
        assert.equal(head.headers[name], got.headers[name], name);
    });
  }

  it("does not compress 1 KiB, and sets Vary above that", async () => {
    body = ofLength(1024);
    const short = await get({ "Accept-Encoding": "br, gzip" });
    assert.deepEqual([short.headers["content-encoding"], short.headers.vary], [undefined, undefined]);
    body = ofLength(1025);
    assert.equal((await get({ "Accept-Encoding": "br, gzip" })).headers["content-encoding"], "br");
    const plain = await get();
    assert.deepEqual([plain.headers["content-encoding"], plain.headers.vary], [undefined, "Accept-Encoding"]);
    assert.equal(plain.bytes.length, 1025);
  });

  it("rejects when it fails after it has compressed", async () => {
    const failed = deferred<unknown>();
    const app = express()
      .use((_req, res) => {
        const sent = sendJson(res, ofLength(5000));
        res.end();
        return sent;
      })
      .use(((error, _req, _res, _next) => failed.resolve(error)) as ErrorRequestHandler);
    const twice = await serve(app);
    await sendPath(twice.url, "/", { headers: { "Accept-Encoding": "br" } });
    const error = await failed.promise;
    assert.ok(error instanceof Error && "code" in error);
    assert.equal(error.code, "ERR_HTTP_HEADERS_SENT");
    await twice.close(0);
  });

  it("sets no ETag", async () => {
    status = 200;
    const response = await get({ "If-None-Match": "*" });
    assert.deepEqual([response.status, response.headers.etag], [200, undefined]);
  });

  it("sends HEAD the headers of GET alone", async () => {
    body = { a: 1 };
    const response = await get({}, "HEAD");
    assert.equal(response.headers["content-length"], "7");
    assert.equal(response.body, "");
  });

  describe("sendConditionalJson", () => {
    const getConditional = (headers: Record<string, string> = {}, method = "GET") =>
      get(headers, method, "/conditional");

    it("sets a strong ETag for each content coding and each body", async () => {
      const tagsOf = async () =>
        Promise.all(
          ["identity", "br", "gzip"].map(async (coding) => {
            const { headers } = await getConditional({ "Accept-Encoding": coding });
            assert.equal(headers["cache-control"], "private, no-cache");
            assert.match(headers.etag ?? "", /^"[\w-]{43}(\.br|\.gzip)?"$/);
            return headers.etag ?? "";
          }),
        );
      body = ofLength(5000);
      const tags = await tagsOf();
      body = ofLength(5001);
      assert.equal(new Set([...tags, ...(await tagsOf())]).size, 6);
    });

    it("responds with 304 to a client that has the content, in any coding", async () => {
      body = ofLength(5000);
      const { etag = "" } = (await getConditional()).headers;
      const br = etag.replace(/"$/, '.br"');
      for (const [tag, told] of [
        [etag, etag],
        [`W/${etag}`, etag],
        [`"other", ${etag}`, etag],
        [br, br],
        [`${etag}, ${br}`, br],
        ["*", br],
      ] as const)
        for (const method of ["GET", "HEAD"]) {
          const response = await getConditional({ "If-None-Match": tag, "Accept-Encoding": "br" }, method);
          assert.deepEqual([response.status, response.headers.etag, response.body], [304, told, ""], tag);
          assert.equal(response.headers.vary, "Accept-Encoding");
        }
    });

    it("responds in full to a client that has other content", async () => {
      body = ofLength(5000);
      for (const tag of ['"other"', "nonsense", ""])
        assert.equal((await getConditional({ "If-None-Match": tag })).status, 200, tag);
    });
  });
});
