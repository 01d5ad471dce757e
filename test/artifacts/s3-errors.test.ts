import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { S3ServiceException } from "@aws-sdk/client-s3";
import { Code } from "@connectrpc/connect";
import { httpErrorFromS3, isNoSuchKey, readErrorBody } from "../../src/artifacts/s3-errors.ts";

const accessKeyId = "AKIDEXAMPLE";

/** An error of the SDK for an error response of S3. */
function s3Error(httpStatusCode: number, name: string, message = "no"): S3ServiceException {
  return new S3ServiceException({ name, message, $fault: "client", $metadata: { httpStatusCode } });
}

/** An error of the SDK for a response that it cannot parse. */
function unreadable(httpStatusCode: number) {
  return Object.assign(new SyntaxError("no XML"), { $metadata: { httpStatusCode } });
}

describe("isNoSuchKey", () => {
  it("is true for NoSuchKey", () => assert.ok(isNoSuchKey(s3Error(404, "NoSuchKey"))));

  for (const error of [
    s3Error(404, "NoSuchBucket"),
    s3Error(404, "NotFound"),
    unreadable(404),
    Object.assign(new Error("no"), { name: "NoSuchKey" }),
  ])
    it(`is false for ${error.name}, ${error.message}`, () => assert.ok(!isNoSuchKey(error)));
});

describe("httpErrorFromS3", () => {
  for (const [error, code] of [
    [s3Error(400, "ExpiredToken"), Code.Internal],
    [s3Error(400, "InvalidRequest"), Code.Internal],
    [s3Error(403, "AccessDenied"), Code.Internal],
    [s3Error(403, "SignatureDoesNotMatch"), Code.Internal],
    [s3Error(404, "NoSuchBucket"), Code.Internal],
    [s3Error(416, "InvalidRange"), Code.Internal],
    [s3Error(301, "PermanentRedirect"), Code.Internal],
    [s3Error(400, "RequestTimeout"), Code.Unavailable],
    [s3Error(429, "TooManyRequests"), Code.Unavailable],
    [s3Error(400, "SlowDown"), Code.Unavailable],
    [s3Error(500, "InternalError"), Code.Unavailable],
    [s3Error(503, "SlowDown"), Code.Unavailable],
    [unreadable(200), Code.Internal],
    [unreadable(302), Code.Internal],
    [unreadable(403), Code.Internal],
    [unreadable(429), Code.Unavailable],
    [unreadable(502), Code.Unavailable],
  ] as const) {
    const status = error.$metadata.httpStatusCode;

    it(`returns ${Code[code]} for ${status} ${error.name}, with both in its cause`, () => {
      const httpError = httpErrorFromS3(error, accessKeyId);
      assert.equal(httpError.code, code);
      assert.equal(httpError.message, "internal server error");
      assert.ok(httpError.cause instanceof Error);
      assert.equal(httpError.cause.message, `the object store responded with ${status}`);
      assert.equal(httpError.cause.cause, error);
    });
  }

  for (const error of [
    new Error("connect ECONNREFUSED"),
    Object.assign(new Error("no response"), { $metadata: { attempts: 2 } }),
    "text",
  ])
    it(`returns Unavailable for ${String(error)}, which is not about a response`, () => {
      const httpError = httpErrorFromS3(error, accessKeyId);
      assert.deepEqual([httpError.code, httpError.cause], [Code.Unavailable, error]);
    });

  for (const error of [
    s3Error(403, "InvalidAccessKeyId", `${accessKeyId} is not known`),
    s3Error(403, accessKeyId),
  ])
    it(`omits the store's message when it contains the access key, as in ${String(error)}`, () => {
      const { cause } = httpErrorFromS3(error, accessKeyId);
      assert.ok(cause instanceof Error);
      assert.equal(cause.message, "the object store responded with 403");
      assert.equal(cause.cause, undefined);
    });
});

const limit = 65_536;

describe("readErrorBody", () => {
  for (const length of [0, 1, limit])
    it(`reads a body of ${length} bytes`, async () => {
      const page = Buffer.alloc(length, "page");
      const source = Readable.from(length === 0 ? [] : [page.subarray(0, 1), page.subarray(1)]);
      assert.ok(Buffer.from(await readErrorBody(source)).equals(page));
    });

  it("destroys a longer body, and reads no more of it", async () => {
    let given = 0;
    const source = new Readable({
      read() {
        given += 1024;
        this.push(Buffer.alloc(1024));
      },
    });
    await assert.rejects(readErrorBody(source), /more than 65536 bytes/);
    assert.ok(source.destroyed);
    assert.ok(given <= limit + 1024 + source.readableHighWaterMark, String(given));
  });

  it("rejects when the body breaks off", async () => {
    const cause = new Error("gone");
    const source = Readable.from([Buffer.from("<Error>")]);
    source.once("end", () => assert.fail("it came to its end"));
    source.destroy(cause);
    await assert.rejects(readErrorBody(source), cause);
  });
});
