import assert from "node:assert/strict";
import express from "express";
import { handleIfNoneMatch, strongETags, weakETag } from "../../src/http/etag.ts";
import { suite } from "../support/gateway.ts";
import { serve } from "../support/serve.ts";

describe("weakETag", () => {
  const tagOf = (...pieces: string[]) => weakETag(pieces.map((piece) => Buffer.from(piece)));

  it("depends on the content, not on its pieces", () => {
    assert.equal(tagOf("aü🧬"), tagOf("a", "", "ü", "🧬"));
    assert.notEqual(tagOf("a"), tagOf("b"));
    assert.match(tagOf(), /^W\/"[\w-]{43}"$/);
    assert.equal(tagOf(""), tagOf());
  });
});

describe("strongETags", () => {
  it("differ by content coding and by content", () => {
    const { identity, br, gzip } = strongETags([Buffer.from("ü")]);
    assert.match(identity, /^"[\w-]{43}"$/);
    assert.deepEqual([br, gzip], [identity.replace(/"$/, '.br"'), identity.replace(/"$/, '.gzip"')]);
    assert.notEqual(strongETags([Buffer.from("a")]).identity, identity);
  });
});

describe("handleIfNoneMatch", () => {
  const etag = weakETag([Buffer.from("content")]);
  const strong = etag.replace("W/", "");
  const server = suite(async () => {
    const app = express().disable("etag");
    app.use((_req, res) => {
      if (!handleIfNoneMatch(res, [etag, '"second"'], "private")) res.end("content");
    });
    const { url, close } = await serve(app);
    return { url, close: () => close(0) };
  });

  const ask = (headers: Record<string, string>, method = "GET") =>
    fetch(server().url, { method, headers: { ...headers, "Cache-Control": "max-age=0" } });

  for (const [ifNoneMatch, status] of [
    [undefined, 200],
    [etag, 304],
    // The comparison is the weak one.
    [strong, 304],
    [`"other", ${etag}`, 304],
    ["*", 304],
    ['"second", "third"', 304],
    ['"other"', 200],
    [etag.replaceAll('"', ""), 200],
    ["", 200],
  ] as const)
    it(`responds to If-None-Match ${ifNoneMatch?.replaceAll(strong, "tag")} with ${status}`, async () => {
      for (const method of ["GET", "HEAD"]) {
        const response = await ask(ifNoneMatch === undefined ? {} : { "If-None-Match": ifNoneMatch }, method);
        assert.equal(response.status, status);
        assert.equal(
          response.headers.get("etag"),
          ifNoneMatch?.includes("second") === true ? '"second"' : etag,
        );
        assert.equal(response.headers.get("cache-control"), "private, no-cache");
        assert.equal(await response.text(), method === "GET" && status === 200 ? "content" : "");
      }
    });
});
