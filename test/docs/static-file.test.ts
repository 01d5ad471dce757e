import assert from "node:assert/strict";
import { promisify } from "node:util";
import { brotliDecompress, gunzip } from "node:zlib";
import { createStaticFile } from "../../src/docs/static-file.ts";

describe("createStaticFile", () => {
  const text = "some text ".repeat(1000);

  it("has the given bytes or text", async () => {
    for (const content of [text, Buffer.from(text)]) {
      const file = createStaticFile("text/plain", content);
      assert.equal(file.type, "text/plain");
      assert.equal(Buffer.from(await file.bytes(undefined)).toString(), text);
    }
  });

  for (const [coding, decode] of [
    ["br", promisify(brotliDecompress)],
    ["gzip", promisify(gunzip)],
  ] as const)
    it(`compresses with ${coding} once`, async () => {
      const file = createStaticFile("text/plain", text);
      const [first, second] = await Promise.all([file.bytes(coding), file.bytes(coding)]);
      assert.equal(first, second);
      assert.equal(await file.bytes(coding), first);
      assert.equal((await decode(first)).toString(), text);
    });

  it("has an ETag that depends on the content alone", () => {
    assert.equal(createStaticFile("a/b", text).etag, createStaticFile("a/b", Buffer.from(text)).etag);
    assert.notEqual(createStaticFile("a/b", text).etag, createStaticFile("a/b", `${text}.`).etag);
  });
});
