import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { GetObjectCommand, HeadObjectCommand, S3ServiceException } from "@aws-sdk/client-s3";
import { startObjectStore, type ObjectStore } from "../../src/sandbox/object-store.ts";
import { createS3Client, withTemporaryFolder } from "./support.ts";

const Bucket = "foldforge";
const Key = "artifacts/odd name+%2F&é.pdb";
const bytes = Buffer.from("0123456789abcdef");
const md5 = `"${createHash("md5").update(bytes).digest("hex")}"`;

describe("startObjectStore", () => {
  let store: ObjectStore;
  let s3: ReturnType<typeof createS3Client>;

  before(async () => {
    store = await startObjectStore({ host: "127.0.0.1", port: 0 });
    await store.put(Key, bytes, "chemical/x-pdb");
    s3 = createS3Client(store.url);
  });
  after(async () => {
    s3.destroy();
    await store.close();
  });

  async function failure(command: GetObjectCommand | HeadObjectCommand): Promise<S3ServiceException> {
    try {
      // The overloads of `send` do not take a union.
      await (command instanceof GetObjectCommand ? s3.send(command) : s3.send(command));
    } catch (error) {
      assert.ok(error instanceof S3ServiceException);
      return error;
    }
    return assert.fail("the command succeeded");
  }

  it("serves an object with its type, length and MD5", async () => {
    const object = await s3.send(new GetObjectCommand({ Bucket, Key }));
    assert.equal(await object.Body?.transformToString(), bytes.toString());
    assert.equal(object.ContentType, "chemical/x-pdb");
    assert.equal(object.ContentLength, bytes.length);
    assert.equal(object.ETag, md5);
    assert.ok(object.LastModified instanceof Date);
  });

  it("responds to HEAD with the same metadata", async () => {
    const object = await s3.send(new HeadObjectCommand({ Bucket, Key }));
    assert.equal(object.ContentType, "chemical/x-pdb");
    assert.equal(object.ContentLength, bytes.length);
    assert.equal(object.ETag, md5);
  });

  for (const [Range, text, ContentRange] of [
    ["bytes=2-5", "2345", "bytes 2-5/16"],
    ["bytes=10-", "abcdef", "bytes 10-15/16"],
    ["bytes=-3", "def", "bytes 13-15/16"],
  ] as const)
    it(`serves ${Range}`, async () => {
      const object = await s3.send(new GetObjectCommand({ Bucket, Key, Range }));
      assert.equal(object.$metadata.httpStatusCode, 206);
      assert.equal(await object.Body?.transformToString(), text);
      assert.equal(object.ContentRange, ContentRange);
      assert.equal(object.ETag, md5);
    });

  it("returns InvalidRange for a range beyond the end", async () => {
    const error = await failure(new GetObjectCommand({ Bucket, Key, Range: "bytes=16-" }));
    assert.equal(error.name, "InvalidRange");
    assert.equal(error.$metadata.httpStatusCode, 416);
    const response = await fetch(`${store.url}/${Bucket}/${encodeURIComponent(Key)}`, {
      headers: { range: "bytes=16-" },
    });
    assert.equal(response.headers.get("content-range"), "bytes */16");
    assert.equal(response.headers.get("content-type"), "application/xml");
    assert.equal(response.headers.get("etag"), null);
  });

  it("responds to conditional reads", async () => {
    const unchanged = await failure(new GetObjectCommand({ Bucket, Key, IfNoneMatch: md5 }));
    assert.equal(unchanged.$metadata.httpStatusCode, 304);
    const changed = await failure(new GetObjectCommand({ Bucket, Key, IfMatch: '"other"' }));
    assert.equal(changed.name, "PreconditionFailed");
  });

  it("returns NoSuchKey and NoSuchBucket", async () => {
    assert.equal((await failure(new GetObjectCommand({ Bucket, Key: "none" }))).name, "NoSuchKey");
    assert.equal((await failure(new GetObjectCommand({ Bucket: "other", Key }))).name, "NoSuchBucket");
    const head = await failure(new HeadObjectCommand({ Bucket, Key: "none" }));
    assert.equal(head.$metadata.httpStatusCode, 404);
  });

  for (const [path, status] of [
    ["/foldforge/artifacts/..%2f..%2f..%2fetc%2fpasswd", 404],
    ["/foldforge/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404],
    ["/foldforge/..%5c..%5cetc%5cpasswd", 404],
    ["/foldforge//etc/passwd", 404],
    ["/foldforge/a%00b", 404],
    ["/foldforge/constructor", 404],
    ["/foldforge/%ff", 400],
    ["/..%2ffoldforge/x", 404],
    ["/foldforge/", 501],
  ] as const)
    it(`returns ${status} for ${path}`, async () => {
      const response = await fetch(store.url + path);
      assert.equal(response.status, status);
      assert.match(await response.text(), /^<\?xml [^]*<Error><Code>\w+<\/Code>/);
    });

  it("does not serve its files by the names that they have on disk", async () => {
    const file = createHash("sha256").update(Key).digest("hex");
    assert.equal((await fetch(`${store.url}/${Bucket}/${file}`)).status, 404);
  });

  it("rejects to write, and escapes the path in an error", async () => {
    const response = await fetch(`${store.url}/${Bucket}/a<b>&amp;`, { method: "PUT", body: "x" });
    assert.equal(response.status, 405);
    const text = await response.text();
    assert.match(text, /<Code>MethodNotAllowed<\/Code>/);
    assert.doesNotMatch(text, /<b>|&amp;amp;amp;/);
  });

  it("removes its folder at close, with a download under way, and when it cannot listen", async () => {
    await withTemporaryFolder(async (folder) => {
      const other = await startObjectStore({ host: "127.0.0.1", port: 0 });
      await other.put("big", Buffer.alloc(32 * 1024 * 1024), "text/plain");
      assert.equal((await readdir(folder)).length, 1);
      const response = await fetch(`${other.url}/${Bucket}/big`);
      const port = Number(new URL(other.url).port);
      await assert.rejects(startObjectStore({ host: "127.0.0.1", port }), { code: "EADDRINUSE" });
      assert.equal((await readdir(folder)).length, 1);
      await other.close();
      assert.deepEqual(await readdir(folder), []);
      await assert.rejects(response.bytes());
    });
  });
});
